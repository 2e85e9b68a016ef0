"""Number the points of a frustum by the cells that they fall into, for models whose pooling is given these tables.

As `voxel_pooling_prepare_v2` of BEVDet does, in float64: what a float32 program puts on the other side of a border
between two cells differs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specialize.errors import InputError
from specialize.model.kinds import Rig, matrices_of
from specialize.model.parts import FrustumSpec


def pool_tables(
    rig: Rig, frustum: FrustumSpec | None, size_px: tuple[int, int]
) -> dict[str, npt.NDArray[np.int32]]:
    """Return the tables by their kinds: of the points inside the box, sorted by cell, and within a cell by number.

    Args:
        rig: The vehicle, as the model sees it.
        frustum: The points of every camera, and the cells.
        size_px: Width and height of the network's image.

    Raises:
        InputError: There is no frustum; or its box is in the vehicle's frame, and the profile lacks the lidar's pose.
    """
    if frustum is None:
        raise InputError("frustum", "the points whose cells the tables of a pooling hold", "none")
    cell = np.concatenate([_cells(matrix, frustum, size_px) for matrix in _from_images(rig, frustum)])
    points = np.flatnonzero(cell >= 0)
    points = points[np.argsort(cell[points], kind="stable")]
    bev = cell[points]
    starts = np.flatnonzero(np.diff(bev, prepend=-1))
    _, rows, columns = frustum.shape
    per_camera, pixels = int(np.prod(frustum.shape)), rows * columns
    tables = {
        "ranks_depth": points,
        "ranks_feat": points // per_camera * pixels + points % pixels,
        "ranks_bev": bev,
        "interval_starts": starts,
        "interval_lengths": np.diff(starts, append=len(points)),
    }
    return {name: table.astype(np.int32) for name, table in tables.items()}


def _from_images(rig: Rig, frustum: FrustumSpec) -> npt.NDArray[np.float64]:
    """Return (N, 4, 4), network pixels times depth to points of the box's frame, m."""
    return matrices_of("img2ego" if frustum.frame == "ego" else "img2lidar", 1.0, rig)


def _cells(
    matrix: npt.NDArray[np.float64], frustum: FrustumSpec, size_px: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Return the cell of every point of one camera, by depth, row and column; -1 outside."""
    depths, rows, columns = frustum.shape
    (left, right), (top, bottom) = frustum.u_px or (0, size_px[0] - 1), frustum.v_px or (0, size_px[1] - 1)
    depth = np.linspace(*frustum.depth_m, depths)[:, None, None]
    v, u = np.linspace(top, bottom, rows)[:, None], np.linspace(left, right, columns)
    cell, inside = np.zeros(frustum.shape, np.int64), np.ones(frustum.shape, np.bool_)
    for axis in (2, 1, 0):
        low, high, count = frustum.range_m[axis], frustum.range_m[axis + 3], frustum.cells[axis]
        a, b, c, offset = matrix[axis]
        place = (depth * (a * u + b * v + c) + (offset - low)) * (count / (high - low))
        index = np.trunc(place) if frustum.cut == "toward_zero" else np.floor(place)
        inside &= (index >= 0) & (index < count)
        cell = cell * count + np.clip(index, 0, count - 1).astype(np.int64)
    return np.where(inside, cell, -1).reshape(-1)
