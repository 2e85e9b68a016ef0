"""Pictures hold exactly the cells that they are given."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.report.draw import cells_path, density_paths, top_view


def _drawn(path: str, shape: tuple[int, int]) -> np.ndarray:
    """Return the (H, W) bool mask that a path fills, read back from its text."""
    mask = np.zeros(shape, bool)
    for column, top, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        row = shape[0] - 1 - int(top)
        mask[row, int(column) : int(column) + int(length)] = True
    return mask


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12))
def test_a_path_fills_exactly_its_cells(seed: int, rows: int, columns: int) -> None:
    """Any mask read back from its path is the mask, row 0 at the bottom."""
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.5
    assert np.array_equal(_drawn(cells_path(mask), (rows, columns)), mask)


def test_an_empty_mask_has_an_empty_path() -> None:
    """Nothing to draw gives no path data."""
    assert cells_path(np.zeros((3, 4), bool)) == ""


def test_a_volume_is_seen_from_above() -> None:
    """A cell of the ground is seen if any voxel above it is."""
    seen = np.zeros((2, 3 * 4 * 5), bool)
    seen[1, 2 * 20 + 1 * 5 + 3] = True  # z 2, row 1, column 3
    ground = top_view(seen, (3, 4, 5))
    assert ground.shape == (2, 4, 5) and ground.sum() == 1 and ground[1, 1, 3]


def test_densities_are_disjoint_and_complete() -> None:
    """Every bin with a point is in exactly one level, and the top of the image is at the top."""
    random = np.random.default_rng(0)
    points, inside = random.random((500, 1, 2)), random.random((500, 1)) < 0.7
    paths = density_paths(points, inside, (16, 8), 4)
    masks = [_drawn(path, (8, 16)) for path in paths]
    counts, _, _ = np.histogram2d(*points[inside].T[::-1], bins=(8, 16), range=((0, 1), (0, 1)))
    assert np.array_equal(sum(mask.astype(int) for mask in masks), (counts[::-1] > 0).astype(int))
    assert density_paths(points, np.zeros_like(inside), (16, 8), 4) == ("",) * 4
