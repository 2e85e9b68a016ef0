"""Compute where the points of a frustum land: every pixel of a feature map at every depth, taken to a grid of cells.

Written a second time from the text of the sidecar and the profile: the image preparation of a network pixel is undone,
the intrinsic gives the ray, the pose the point. A graph in float32 may put a point within rounding of a border into
either cell; the cells that such points may touch are not compared.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specialize.witness.rig import Floats, Rig, Sidecar
from specialize.witness.rows import Ints
from specialize.witness.sight import FLOAT32_ROUNDINGS, Bools

_ROUNDING = FLOAT32_ROUNDINGS * 2.0**-24


@dataclass(frozen=True, slots=True)
class Frustum:
    """The points that a model lifts, and the cells that it adds them to.

    Attributes:
        shape: Depths, rows and columns of one camera's points.
        u_px: First and last column in network pixels, evenly spaced.
        v_px: First and last row in network pixels, evenly spaced.
        depth_m: First and last depth in metres, evenly spaced.
        cells: Number of cells along x, y and z.
        range_m: Box of the cells, x0 y0 z0 x1 y1 z1.
        frame: Frame of the box: `lidar` or `ego`.
        cut: How a coordinate becomes a whole number: `toward_zero` or `down`.
    """

    shape: tuple[int, int, int]
    u_px: tuple[float, float]
    v_px: tuple[float, float]
    depth_m: tuple[float, float]
    cells: tuple[int, int, int]
    range_m: tuple[float, ...]
    frame: str
    cut: str

    def points(self) -> Floats:
        """Return (D, h, w, 3): u and v in network pixels, and the depth in metres."""
        depths, rows, columns = self.shape
        axes = [
            np.linspace(*self.depth_m, depths),
            np.linspace(*self.v_px, rows),
            np.linspace(*self.u_px, columns),
        ]
        depth, v, u = np.meshgrid(*axes, indexing="ij")
        return np.stack([u, v, depth], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Landing:
    """Where the points of every camera land.

    Attributes:
        cell: (N, D, h, w) the cell, counted x slowest and z fastest; -1 outside.
        doubtful: (N, D, h, w) points that rounding may put into another cell, or outside.
        touched: (cells,) cells that doubtful points may land in.
    """

    cell: Ints
    doubtful: Bools
    touched: Bools


def frustum_of(spec: Mapping[str, Any]) -> Frustum | None:
    """Return the frustum of a sidecar's plain values; None without."""
    given = spec.get("frustum")
    if not given:
        return None
    width, height = map(int, spec["image"]["size_px"])
    u_px, v_px = given.get("u_px") or (0, width - 1), given.get("v_px") or (0, height - 1)
    depths, rows, columns = map(int, given["shape"])
    x_cells, y_cells, z_cells = map(int, given["cells"])
    return Frustum(
        shape=(depths, rows, columns),
        u_px=(float(u_px[0]), float(u_px[1])),
        v_px=(float(v_px[0]), float(v_px[1])),
        depth_m=(float(given["depth_m"][0]), float(given["depth_m"][1])),
        cells=(x_cells, y_cells, z_cells),
        range_m=tuple(map(float, given["range_m"])),
        frame=str(given.get("frame", "lidar")),
        cut=str(given.get("cut", "toward_zero")),
    )


def frustums_of(spec: Mapping[str, Any]) -> tuple[Frustum, ...]:
    """Return the frustum of a sidecar's plain values once for every grid that its points are added to."""
    first = frustum_of(spec)
    if first is None:
        return ()
    others = []
    for given in spec["frustum"].get("other_cells") or ():
        x_cells, y_cells, z_cells = map(int, given["cells"])
        box = tuple(map(float, given["range_m"]))
        others.append(dataclasses.replace(first, cells=(x_cells, y_cells, z_cells), range_m=box))
    return (first, *others)


def land(rig: Rig, sidecar: Sidecar, frustum: Frustum) -> Landing | str:
    """Return where the points land, or why the profile does not say."""
    low, high = np.array(frustum.range_m[:3]), np.array(frustum.range_m[3:])
    size = (high - low) / np.array(frustum.cells)
    found, doubts = [], []
    touched = np.zeros(int(np.prod(frustum.cells)), np.bool_)
    for eye, prep in zip(rig.eyes, sidecar.preparations, strict=True):
        if eye.intrinsic is None or eye.camera_from_lidar is None:
            return f"camera {eye.name}: no intrinsic or pose, only a matrix"
        pose = np.linalg.inv(eye.camera_from_lidar)
        if frustum.frame == "ego":
            if rig.ego_from_lidar is None:
                return "the frame ego: the profile has no lidar2ego"
            pose = rig.ego_from_lidar @ pose
        metres, slack = _unprojected(frustum.points(), prep.matrix() @ eye.intrinsic, np.asarray(pose))
        place, doubt = (metres - low) / size, (slack + _ROUNDING * np.abs(low)) / size
        cell = _cell(place, frustum)
        either = [
            _cell(place + np.array(sign) * doubt, frustum) for sign in itertools.product((-1, 1), repeat=3)
        ]
        doubtful = np.logical_or.reduce([other != cell for other in either])
        for other in (cell, *either):
            landed = other[doubtful]
            touched[landed[landed >= 0]] = True
        found.append(cell)
        doubts.append(doubtful)
    return Landing(np.stack(found), np.stack(doubts), touched)


def _unprojected(points: Floats, lens: Floats, pose: Floats) -> tuple[Floats, Floats]:
    """Return points (..., 3) of network pixels and depths in another frame, metres, and how far rounding moves them."""
    (fx, skew, cx), (_, fy, cy) = lens[0, :3], lens[1, :3]
    u, v, depth = points[..., 0], points[..., 1], points[..., 2]
    y = (v - cy) / fy
    x = (u - cx - skew * y) / fx
    camera = np.stack([x * depth, y * depth, depth], axis=-1)
    large = np.stack([(np.abs(u) + abs(cx)) / fx * depth, (np.abs(v) + abs(cy)) / fy * depth, depth], axis=-1)
    moved = camera @ pose[:3, :3].T + pose[:3, 3]
    return moved, (large @ np.abs(pose[:3, :3]).T + np.abs(pose[:3, 3])) * _ROUNDING


def _cell(place: Floats, frustum: Frustum) -> Ints:
    """Return the cell of places (..., 3) in units of cells; -1 outside."""
    index = (np.trunc(place) if frustum.cut == "toward_zero" else np.floor(place)).astype(np.int64)
    count = np.array(frustum.cells)
    inside = ((index >= 0) & (index < count)).all(axis=-1)
    number = (index[..., 0] * count[1] + index[..., 1]) * count[2] + index[..., 2]
    return np.where(inside, number, -1)


def pooled(landing: Landing, weights: Floats, features: Floats, count: int) -> Floats:
    """Return the sums (cells, C) of weights (N, D, h, w) times features (N, h, w, C) over the points of every cell."""
    kept = landing.cell >= 0
    cell, weight = landing.cell[kept], weights[kept]
    camera, _, row, column = np.nonzero(kept)
    sums = [
        np.bincount(cell, weight * features[camera, row, column, channel], minlength=count)
        for channel in range(features.shape[-1])
    ]
    return np.asarray(np.stack(sums, axis=1), np.float64)


def orders(sizes: Sequence[int], dims: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the orders in which axes of given sizes may occur, grouped, in a tensor; axes of size 1 occur anywhere."""
    real = [axis for axis, size in enumerate(sizes) if size != 1]
    wanted = [size for size in dims if size != 1]
    return [
        order for order in itertools.permutations(real) if _groups([sizes[axis] for axis in order], wanted)
    ]


def _groups(sizes: Sequence[int], dims: Sequence[int]) -> bool:
    """Return whether sizes that follow each other multiply to dims."""
    place, product = 0, 1
    for size in sizes:
        product *= size
        if place < len(dims) and product == dims[place]:
            place, product = place + 1, 1
    return place == len(dims) and product == 1
