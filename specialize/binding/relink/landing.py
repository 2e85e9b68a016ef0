"""Which lifted points lie within rounding of a cell's border, in numpy as `borderline.hpp` finds them to the same bits.

Every pixel of a feature map is taken at every depth to the grid of cells in float64. A graph in float32 may put a point
that moves to another cell when every coordinate moves by its rounding into either.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.calibration.profile import CalibrationProfile
from specialize.model.parts import FrustumSpec
from specialize.model.spec import ModelSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ROUNDINGS = 24
"""Float32 roundings of what is added up that may move a point."""
SHARE = ROUNDINGS * 2.0**-24


@dataclass(frozen=True, slots=True, eq=False)
class Landed:
    """Where points land, numbered by camera, depth, row and column.

    Attributes:
        cells: (points,) the cell, counted x slowest and z fastest; -1 outside.
        doubtful: (points,) whether rounding may put it into another cell, or outside.
    """

    cells: Ints
    doubtful: Bools


def land(spec: ModelSpec, profile: CalibrationProfile) -> Landed | None:
    """Return where the points of a model's frustum land; None if none is declared, or without intrinsics and poses."""
    frustum = spec.frustum
    if frustum is None or (frustum.frame == "ego" and profile.ego_from_lidar is None):
        return None
    found = []
    for index, camera in enumerate(profile.cameras):
        if camera.intrinsic is None or camera.camera_from_lidar is None:
            return None
        prep = spec.image_of(index)
        pose = _inverse(camera.camera_from_lidar)
        if frustum.frame == "ego":
            pose = _product(np.asarray(profile.ego_from_lidar), pose)
        lens = _lens(camera.intrinsic, prep.scale, prep.crop_px)
        found.append(_land(frustum, lens, pose, *edges_px(spec, frustum)))
    cells, doubtful = (np.concatenate(each) for each in zip(*found, strict=True))
    return Landed(cells, doubtful)


def edges_px(spec: ModelSpec, frustum: FrustumSpec) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return first and last column, and first and last row of a frustum, network pixels."""
    width, height = spec.image.size_px
    return frustum.u_px or (0.0, width - 1.0), frustum.v_px or (0.0, height - 1.0)


def _lens(k: npt.ArrayLike, scale: float, crop_px: Sequence[float]) -> list[float]:
    """Return fx, skew, cx, fy, cy of network pixels."""
    (fx, skew, cx), (_, fy, cy) = np.asarray(k, np.float64)[:2].tolist()
    return [scale * fx, scale * skew, scale * cx - crop_px[0], scale * fy, scale * cy - crop_px[1]]


def _inverse(matrix: npt.NDArray[np.float64]) -> Floats:
    """Return the inverse (4, 4) of an affine matrix, by cross products of its rows."""
    m = matrix.tolist()
    columns = [_cross(m[1], m[2]), _cross(m[2], m[0]), _cross(m[0], m[1])]
    volume = _dot(m[0], columns[0])
    found = np.eye(4)
    for row in range(3):
        a = [column[row] / volume for column in columns]
        found[row] = (*a, -_dot(a, [m[axis][3] for axis in range(3)]))
    return found


def _cross(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return (a[0] * b[0] + a[1] * b[1]) + a[2] * b[2]


def _product(a: Floats, b: Floats) -> Floats:
    """Return the product (4, 4) of affine matrices, summed in order."""
    total = a[:, :1] * b[:1]
    for k in range(1, 4):
        total = total + a[:, k : k + 1] * b[k : k + 1]
    return np.asarray(total)


def _land(
    frustum: FrustumSpec,
    lens: Sequence[float],
    pose: Floats,
    u_px: tuple[float, float],
    v_px: tuple[float, float],
) -> tuple[Ints, Bools]:
    """Return the cells (points,) of one camera's points, and which are doubtful."""
    depths, rows, columns = frustum.shape
    depth = _spaced(*frustum.depth_m, depths)[:, None, None]
    v, u = _spaced(*v_px, rows)[:, None], _spaced(*u_px, columns)
    fx, skew, cx, fy, cy = lens
    with np.errstate(all="ignore"):
        y = (v - cy) / fy
        x = ((u - cx) - skew * y) / fx
        at = (x * depth, y * depth, depth)
        wide = (((abs(u) + abs(cx)) / fx) * depth, ((abs(v) + abs(cy)) / fy) * depth, depth)
        places = [_place(frustum, axis, at, wide, pose[axis].tolist()) for axis in range(3)]
    plain = _number(frustum, [place[1] for place in places])
    near = np.flatnonzero(
        np.logical_or.reduce([(low != here) | (high != here) for low, here, high in places])
    )
    doubtful = np.zeros(plain.size, np.bool_)
    for side in itertools.product((0, 2), repeat=3):
        other = _number(frustum, [place[sign][near] for place, sign in zip(places, side, strict=True)])
        doubtful[near] |= other != plain[near]
    return plain, doubtful


def _spaced(first: float, last: float, count: int) -> Floats:
    """Return numbers from first to last, evenly spaced."""
    step = (last - first) / (count - 1) if count > 1 else 0.0
    found = first + np.arange(count) * step
    if count > 1:
        found[-1] = last
    return np.asarray(found, np.float64)


def _place(
    frustum: FrustumSpec, axis: int, at: Sequence[Floats], wide: Sequence[Floats], row: Sequence[float]
) -> tuple[Floats, Floats, Floats]:
    """Return the number of the cell along one axis, (points,): a rounding below, there, and a rounding above."""
    low, high = frustum.range_m[axis], frustum.range_m[axis + 3]
    size = (high - low) / frustum.cells[axis]
    metres = ((at[0] * row[0] + at[1] * row[1]) + at[2] * row[2]) + row[3]
    p, q, r, s = (abs(number) for number in row)
    slack = (((wide[0] * p + wide[1] * q) + wide[2] * r) + s) * SHARE
    place, doubt = (metres - low) / size, (slack + SHARE * abs(low)) / size
    cut = np.trunc if frustum.cut == "toward_zero" else np.floor
    below, here, above = (cut(each).reshape(-1) for each in (place - doubt, place, place + doubt))
    return below, here, above


def _number(frustum: FrustumSpec, places: Sequence[Floats]) -> Ints:
    """Return the cell (points,) of its numbers along x, y and z; -1 outside."""
    inside = np.logical_and.reduce(
        [(place >= 0) & (place < count) for place, count in zip(places, frustum.cells, strict=True)]
    )
    found = np.full(inside.shape, -1, np.int64)
    x, y, z = (place[inside].astype(np.int64) for place in places)
    found[inside] = (x * frustum.cells[1] + y) * frustum.cells[2] + z
    return found
