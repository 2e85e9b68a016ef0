"""Tables of a pooling, read back without a graph: which point is added to which cell."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.witness.frustum import Landing
from specialize.witness.pooling import (
    axes_of,
    cell_of_places,
    points_of,
    read_arrays,
    wrong_numbers,
    wrong_points,
)

WEIGHTS = (np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 1.0]]))
BLOCKS = (np.array([0, 1]),)
CELLS = np.array([[3, 4], [2, 4], [4, 4]])
"""Two blocks of cell 0 are summed again to sum 3; the third is cell 1; cell 2 has none; 4 stands for no sum."""


def test_places_have_the_cell_that_sums_them() -> None:
    """From the cells down through both levels; the place of weight zero has none."""
    found = cell_of_places(WEIGHTS, BLOCKS, CELLS)
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [0, 0, 0, -1, 1, 1]


@pytest.mark.parametrize(
    ("weights", "blocks", "cells", "told"),
    [
        (WEIGHTS, BLOCKS, np.array([[3, 4], [3, 4], [4, 4]]), "a sum of two cells"),
        (WEIGHTS, BLOCKS, np.array([[3, 4], [5, 4], [4, 4]]), "a sum of two cells"),
        (WEIGHTS, (np.array([0, 0]),), CELLS, "a sum that is added twice"),
        (WEIGHTS, (np.array([0, 2]),), CELLS, "a sum that is added twice"),
        (WEIGHTS, (np.array([0, 3]),), CELLS, "a sum that there is not"),
        ((WEIGHTS[0] * 2, WEIGHTS[1]), BLOCKS, CELLS, "weights other than zero and one"),
    ],
)
def test_other_sums_are_told(
    weights: tuple[np.ndarray, ...], blocks: tuple[np.ndarray, ...], cells: np.ndarray, told: str
) -> None:
    """A sum of two cells or of two sums, one that there is not, and a weight that scales."""
    assert cell_of_places(weights, blocks, cells) == told


def test_rows_are_read_by_axes() -> None:
    """A feature is numbered without the depth; all axes in any order say the point."""
    sizes, points = (2, 3, 4, 5), np.arange(120)[::7]
    camera, _, row, column = np.unravel_index(points, sizes)
    features = (camera * 4 + row) * 5 + column
    assert axes_of(features, points, sizes) == "nvu"
    assert axes_of(features[::-1], points, sizes) is None
    assert wrong_numbers(features, "nvu", points, sizes) == 0
    assert wrong_numbers(np.roll(features, 1), "nvu", points, sizes) == len(points)
    turned = np.arange(120).reshape(sizes).transpose(3, 0, 1, 2).reshape(-1)
    numbers = np.argsort(turned)[points]
    read = points_of(numbers, "undv", sizes)
    assert read is not None and read.tolist() == points.tolist()
    assert points_of(features, "nvu", sizes) is None


def test_points_are_added_where_they_land() -> None:
    """Cells are numbered y first; a doubtful point may be in a cell that it touches, or left out."""
    cell = np.array([0, 3, -1, 5]).reshape(1, 4, 1, 1)  # x * 3 + y, of 2 x 3 cells
    doubtful = np.array([False, False, False, True]).reshape(cell.shape)
    landing = Landing(cell, doubtful, np.array([False, False, False, False, True, True]))
    points = np.array([0, 1, 3])

    def wrong(points: np.ndarray, cells: list[int]) -> int:
        return wrong_points(points, np.array(cells), landing, (2, 3, 1), "y, x")

    assert wrong(points, [0, 1, 5]) == wrong(points, [0, 1, 3]) == wrong(points[:2], [0, 1]) == 0
    assert wrong(points, [0, 3, 5]) == 1  # as if x were first
    assert wrong(points, [0, 1, 0]) == 1  # a cell that it does not touch
    assert wrong(points[1:], [1, 5]) == 1  # left out
    assert wrong(np.array([0, 1, 2]), [0, 1, 4]) == 1  # lands nowhere
    assert wrong(np.array([0, 1, 1]), [0, 1, 1]) == 1  # twice


ARRAYS = {
    "ranks_depth": np.array([5, 8, 0, 0]),
    "ranks_feat": np.array([1, 4, 0, 0]),
    "ranks_bev": np.array([0, 0, 2, 2]),
    "interval_starts": np.array([0, 2, 2]),
    "interval_lengths": np.array([2, 1, 1]),
}
"""Two points in cell 0, one in cell 2, a place and an interval to spare; 2 cameras, 2 depths, 1 row, 4 columns."""


def test_arrays_are_read_as_the_operator_reads_them() -> None:
    """Places that no interval reads add nothing, and an interval that stands twice counts once."""
    found = read_arrays(ARRAYS, (2, 2, 1, 4), 3)
    assert not isinstance(found, str)
    assert (found.points.tolist(), found.cells.tolist()) == ([5, 8, 0], [0, 0, 2])


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("ranks_depth", [5, 8, -1, 0], "a number below zero"),
        ("ranks_depth", [5, 16, 0, 0], "a number that is too large"),
        ("ranks_bev", [0, 0, 2, 3], "a number that is too large"),
        ("interval_lengths", [2, 1, 3], "a number that is too large"),
        ("ranks_feat", [1, 5, 0, 0], "pixels that are not those of the points"),
        ("ranks_bev", [0, 2, 1, 2], "a cell that is written twice, or cells that do not ascend"),
        ("interval_lengths", [2, 1, 2], "a cell that is written twice, or cells that do not ascend"),
        ("interval_lengths", [3, 1, 1], "an interval of several cells"),
    ],
)
def test_wrong_arrays_are_told(name: str, changed: list[int], told: str) -> None:
    """Each of the five."""
    assert read_arrays(ARRAYS | {name: np.array(changed)}, (2, 2, 1, 4), 3) == told
