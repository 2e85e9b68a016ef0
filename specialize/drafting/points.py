"""Recognise points in the values of a graph: whether a value is a set of points under a known transform to every
camera.

Under an assignment of kinds to inputs, the independent transform is undone camera by camera. The result must be the
same points for every camera, which does not happen by chance on a rig in general position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from specialize.drafting.layout import Layout
from specialize.model.kinds import KINDS, Rig, matrices_of

Floats = npt.NDArray[np.float64]

FRAMES = ("lidar", "ego", "first")
"""Frames that points may be in: the lidar's, the vehicle's, or the first camera's."""
TRANSFORMS = tuple(name for frame in FRAMES for name in (f"{frame}2img", f"img2{frame}", f"{frame}2cam"))
STRIDES = (2, 4, 8, 16, 32)
"""Pixels of the image per pixel of a feature map, if a graph scales its matrices itself."""
LEAST_POINTS = 8
_SAME = 2e-3
"""Part of their range by which the points of two cameras may differ, due to float32 and inverses."""

_FEW = 64
"""Number of points that are tried before all of them are."""

Source = Literal["metres", "frustum", "matrix"]


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """Points that a value holds.

    Attributes:
        transform: What takes the points to the value: one of `TRANSFORMS`.
        source: Whether the points are metric, a frustum (pixels times depth and depth), or the value is a matrix.
        points: (P, 3) the points, in the order in which they stand in the value.
        order: Sizes of the axes of the value that number the points.
        value: (N, P, 3) what the value has for them.
        stride: How many pixels of the image a pixel of the value is wide.
    """

    transform: str
    source: Source
    points: Floats = field(repr=False)
    order: tuple[int, ...]
    value: Floats = field(repr=False)
    stride: int = 1


class Transforms:
    """The transforms of a few rigs, stacked as if they were the cameras of one."""

    def __init__(self, rigs: Sequence[Rig]) -> None:
        self.rigs = tuple(rigs)
        wanted = [(name, 1) for name in TRANSFORMS]
        wanted += [
            (name, stride) for name in TRANSFORMS if KINDS[name].pixels == "result" for stride in STRIDES
        ]
        self._inverses: Mapping[tuple[str, int], Floats] = {
            each: np.linalg.inv(np.concatenate([matrices_of(each[0], each[1], rig) for rig in rigs]))
            for each in wanted
        }

    def find(self, arrays: Sequence[np.ndarray], layout: Layout) -> Iterator[Typed]:
        """Yield what points a value holds, one array of it per rig."""
        for places, axis in _axes(arrays[0].shape, layout):
            parts = [_homogeneous(array, places, axis, layout.cameras) for array in arrays]
            matrix = parts[0].shape[1] == 4
            value = np.concatenate(parts)  # (rigs * N, P, 4)
            if not np.isfinite(value).all() or (value.shape[1] < LEAST_POINTS and not matrix):
                continue
            few = value[:, np.linspace(0, value.shape[1] - 1, min(_FEW, value.shape[1])).astype(np.int64)]
            for (name, stride), inverse in self._inverses.items():
                if not _all_alike(np.einsum("nij,npj->npi", inverse, few)):
                    continue
                points = np.einsum("nij,npj->npi", inverse, value)
                if not _all_alike(points):
                    continue
                first = points[0]
                if _source(first) == "matrix" or len(first) >= LEAST_POINTS:
                    yield Typed(
                        name,
                        _source(first),
                        first[:, :3],
                        _order(arrays[0].shape, places, axis, layout),
                        value[..., :3],
                        stride,
                    )


def is_pointlike(shape: tuple[int, ...], layout: Layout) -> bool:
    """Return whether a value of a shape can hold points of every camera."""
    return next(_axes(shape, layout), None) is not None


def _axes(shape: tuple[int, ...], layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield which axis may be cameras, or their tokens, and which one coordinates, the last axes first for these."""
    for axis in reversed(range(len(shape))):
        if shape[axis] in (3, 4):
            for place, size in enumerate(shape):
                single = size == layout.cameras and (size > 1 or place == 0)
                if place != axis and (single or layout.shared_by(size) > 1):
                    yield place, axis


def _order(shape: tuple[int, ...], place: int, axis: int, layout: Layout) -> tuple[int, ...]:
    sizes = [
        layout.shared_by(size) if index == place else size
        for index, size in enumerate(shape)
        if index != axis
    ]
    return tuple(size for size in sizes if size > 1)


def _homogeneous(array: np.ndarray, place: int, axis: int, cameras: int) -> Floats:
    """Return a value as (N, P, 4)."""
    moved = np.moveaxis(array.astype(np.float64), (place, axis), (0, -1))
    flat = moved.reshape(cameras, -1, moved.shape[-1])  # (N, P, 3 or 4)
    if flat.shape[-1] == 4:
        return flat
    if flat.shape[1] == 4:  # the columns of a 3x4 matrix: three directions and a point
        last = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0])[None, :, None], (len(flat), 4, 1))
        return np.concatenate([flat, last], axis=-1)
    return np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)


def _all_alike(points: Floats) -> bool:
    """Return whether points (N, P, 4) are the same for every camera, and more than one point."""
    span = np.ptp(points[0], axis=0)  # (4,)
    if np.count_nonzero(span[:3] > 1e-6 * max(1.0, float(span.max()))) < 2:
        return False
    bound = _SAME * np.maximum(span, 1e-2 * span.max())
    return bool((np.abs(points - points[0]) <= bound).all())


def _source(points: Floats) -> Source:
    """Return what points (P, 4) are."""
    if np.allclose(np.abs(points).sum(axis=1), 1.0, atol=1e-2) and np.allclose(
        points.max(axis=1), 1.0, atol=1e-2
    ):
        return "matrix"  # columns of the identity, maybe repeated
    u, v, depth = points[:, 0], points[:, 1], points[:, 2]
    if depth.min() > 0 and min((u / depth).min(), (v / depth).min()) > -1.5 and (u / depth).max() > 4:
        return "frustum"
    return "metres"
