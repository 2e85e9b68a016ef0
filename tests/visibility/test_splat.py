"""Frustum points and their cells, against recorded figures and plain loops."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import InputError
from specialize.visibility.splat import CellGrid, Frustum, SplatPlan, plan_splat
from tests import strategies
from tests.visibility import shared_rigs

FRUSTUM = Frustum((704, 256), (32, 88), (1.0, 60.0, 0.5))
SMALL = Frustum((64, 32), (3, 5), (1.0, 9.0, 2.0))
CELLS = CellGrid((-8.0, -6.0, -2.0), (1.0, 2.0, 4.0), (16, 6, 1))


def recorded_case(case: str) -> tuple[SplatPlan, dict[str, Any]]:
    """Return our plan and the recorded figures of one case, both on the rig of the figures."""
    figures = shared_rigs.parity("bevfusion")
    wanted = figures["geometry"][case]
    prep = np.array([[0.48, 0, -32, 0], [0, 0.48, -176, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    augmentation = np.array(figures["inputs"]["lidar_aug_matrix"]["aug"])
    matrices = augmentation @ np.linalg.inv(prep @ shared_rigs.rule_rig())
    if case == "aug":
        size, middle, counts = (figures["vtransform_constants"][key] for key in ("dx", "bx", "nx"))
    else:
        (x0, _, size_x), (z0, _, size_z) = wanted["xbound"], wanted["zbound"]
        size, counts = [size_x, size_x, size_z], wanted["nx"]
        middle = [x0 + size_x / 2, x0 + size_x / 2, z0 + size_z / 2]
    lower = np.array(middle) - np.array(size) / 2
    cells = CellGrid(tuple(lower.tolist()), tuple(size), tuple(counts))
    return plan_splat(matrices, FRUSTUM, cells), wanted


def test_cells_equal_the_original() -> None:
    """Kept points and every sorted rank equal those of the original implementation, by their hash."""
    plan, wanted = recorded_case("aug")
    assert plan.points == wanted["n_points"]
    assert plan.kept == wanted["kept"]
    assert plan.kept_per_camera.tolist() == wanted["kept_per_camera"]
    assert len(plan.interval_starts) == wanted["unique_cells"]
    assert int(plan.interval_lengths.max()) == wanted["max_points_in_cell"]
    ranks = plan.ranks_bev.astype("<i8")
    assert int(ranks.sum()) == wanted["sum_ranks"]
    assert hashlib.sha256(ranks.tobytes()).hexdigest() == wanted["sha256_sorted_ranks_int64_le"]


def test_where_float32_differs_the_point_is_borderline() -> None:
    """Points on cell edges: the recorded hash is that of the chain in float32; ours differs only there."""
    plan, wanted = recorded_case("lss_camera_only_aug")
    cell = cells_in_float32(plan.cells)
    kept = np.sort(cell[cell >= 0]).astype("<i8")
    assert hashlib.sha256(kept.tobytes()).hexdigest() == wanted["sha256_sorted_ranks_int64_le"]
    ours = np.full(plan.points, -1)
    ours[plan.ranks_depth] = plan.ranks_bev
    different = np.flatnonzero(ours != cell)
    assert 0 < len(different) < 100
    assert np.isin(different, plan.borderline).all()
    assert len(plan.borderline) < 0.005 * plan.points
    assert (plan.kept, len(plan.interval_starts)) == (wanted["kept"], wanted["unique_cells"])


def cells_in_float32(cells: CellGrid) -> np.ndarray:
    """Return the cell of every point of the recorded rig, or -1, by the field's chain in float32."""
    single = np.float32
    figures = shared_rigs.parity("bevformer_hits")
    lens = np.linalg.inv(single(figures["K4"])[:, :3, :3])
    pose = np.linalg.inv(np.array(figures["lidar2cam"])).astype(single)
    turn = single(shared_rigs.parity("bevfusion")["inputs"]["lidar_aug_matrix"]["aug"])
    u, v, depth = (axis.astype(single) for axis in FRUSTUM.axes())
    mesh = np.broadcast_arrays(u, v[:, None], depth[:, None, None])
    pixel = (np.stack(mesh, axis=-1) - single([-32, -176, 0])) @ np.diag(single([1 / 0.48, 1 / 0.48, 1]))
    lifted = np.concatenate([pixel[..., :2] * pixel[..., 2:], pixel[..., 2:]], axis=-1)
    found = []
    for camera in range(len(lens)):
        point = lifted @ (pose[camera, :3, :3] @ lens[camera]).T + pose[camera, :3, 3]
        point = point @ turn[:3, :3].T + turn[:3, 3]
        index = ((point - single(cells.lower_m)) / single(cells.cell_m)).astype(np.int64).reshape(-1, 3)
        inside = ((index >= 0) & (index < cells.counts)).all(axis=-1)
        flat = (index[:, 0] * cells.counts[1] + index[:, 1]) * cells.counts[2] + index[:, 2]
        found.append(np.where(inside, flat, -1))
    return np.concatenate(found)


def cells_by_loops(matrices: np.ndarray, frustum: Frustum, cells: CellGrid) -> list[tuple[int, int, int]]:
    """Return (cell, point number, pixel number) of every kept point, one at a time."""
    found = []
    number = 0
    for camera, matrix in enumerate(matrices):
        columns, rows, depths = frustum.axes()
        for depth in depths:
            for row, v in enumerate(rows):
                for column, u in enumerate(columns):
                    point = (matrix @ [u * depth, v * depth, depth, 1.0])[:3]
                    index = [int(p) for p in (point - cells.lower_m) / cells.cell_m]  # int() truncates
                    if all(0 <= i < n for i, n in zip(index, cells.counts, strict=True)):
                        flat = (index[0] * cells.counts[1] + index[1]) * cells.counts[2] + index[2]
                        pixel = (camera * len(rows) + row) * len(columns) + column
                        found.append((flat, number, pixel))
                    number += 1
    return sorted(found)


@given(strategies.rigs(max_cameras=4), st.floats(0.2, 3.0))
def test_tables_equal_plain_loops(rig: strategies.Rig, size: float) -> None:
    """Cells, point numbers and pixels equal those of a loop, but for points in doubt."""
    matrices = np.linalg.inv(rig.image_from_lidar)
    cells = CellGrid((-8.0, -6.0, -2.0), (size, 2 * size, 4.0), (16, 6, 1))
    plan = plan_splat(matrices, SMALL, cells)
    ours = zip(plan.ranks_bev.tolist(), plan.ranks_depth.tolist(), plan.ranks_feat.tolist(), strict=True)
    doubtful = set(plan.borderline.tolist())
    loops = cells_by_loops(matrices, SMALL, cells)
    assert [one for one in ours if one[1] not in doubtful] == [one for one in loops if one[1] not in doubtful]


@given(strategies.rigs(max_cameras=4))
def test_intervals_cover_the_points(rig: strategies.Rig) -> None:
    """Intervals follow one another, hold one cell each, and together all kept points."""
    plan = plan_splat(np.linalg.inv(rig.image_from_lidar), SMALL, CELLS)
    assert plan.interval_lengths.sum() == plan.kept == plan.kept_per_camera.sum()
    cells = []
    for start, length in zip(plan.interval_starts, plan.interval_lengths, strict=True):
        inside = set(plan.ranks_bev[start : start + length].tolist())
        assert len(inside) == 1
        cells.append(inside.pop())
    assert cells == sorted(set(cells)) == np.unique(plan.ranks_bev).tolist()


def test_cells_truncate_toward_zero() -> None:
    """A point up to one cell below the lower bound is in cell 0; at a whole cell below it is in none."""
    frustum = Frustum((1, 1), (1, 1), (1.0, 2.0, 1.0))
    for x, cell in ((-0.999, 0), (-1.0, None), (0.0, 0), (0.999, 0), (1.0, 1), (15.999, 15), (16.0, None)):
        matrix = np.eye(4)[None].copy()
        matrix[0, :3, 3] = np.array([x, 3.0, 1.0]) + CELLS.lower_m
        matrix[0, 2, 2] = 0.0  # the depth adds nothing to the height
        plan = plan_splat(matrix, frustum, CELLS)
        assert plan.ranks_bev.tolist() == ([] if cell is None else [cell * 6 + 1])
        assert plan.borderline.tolist() == ([0] if x in (-1.0, 1.0, 16.0) else [])


def test_digest_says_where_points_fall() -> None:
    """The digest changes with the map and not with a move too small to change it."""
    rig = strategies.ring(2)
    matrices = np.linalg.inv(rig.image_from_lidar)
    plan = plan_splat(matrices, SMALL, CELLS)
    matrices[0, 0, 3] += 1e-9
    assert plan_splat(matrices, SMALL, CELLS).digest == plan.digest
    matrices[0, 0, 3] += 1.0
    assert plan_splat(matrices, SMALL, CELLS).digest != plan.digest


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: Frustum((0, 1), (1, 1), (1.0, 2.0, 1.0)), "frustum"),
        (lambda: Frustum((1, 1), (1, 1), (2.0, 1.0, 1.0)), "depths_m"),
        (lambda: CellGrid((0.0, 0.0, 0.0), (1.0, 0.0, 1.0), (1, 1, 1)), "cells"),
        (lambda: CellGrid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1, 0, 1)), "counts"),
        (lambda: plan_splat(np.eye(4), SMALL, CELLS), "lidar_from_image"),
        (lambda: plan_splat(np.full((1, 4, 4), math.nan), SMALL, CELLS), "lidar_from_image"),
        (
            lambda: plan_splat(np.eye(4)[None], Frustum((9, 9), (20000, 20000), (1.0, 2.0, 0.1)), CELLS),
            "at most",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, where: str) -> None:  # type: ignore[no-untyped-def]
    """Wrong sizes, bounds and matrices are errors that name what is wrong."""
    with pytest.raises(InputError, match=where):
        make()
