"""Axes are cut and joined as numpy reshapes and transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from specialize.graph.axes import runs_of_transpose


def by_runs(array: np.ndarray, perm: Sequence[int]) -> np.ndarray:
    """Return an array with its axes in another order, moved run by run."""
    runs, order = runs_of_transpose(perm)
    merged = array.reshape([math.prod(array.shape[axis] for axis in run) for run in runs])
    return merged.transpose(order).reshape([array.shape[axis] for axis in perm])


@given(st.integers(1, 6).flatmap(lambda rank: st.permutations(range(rank))))
def test_a_transpose_moves_whole_runs(perm: list[int]) -> None:
    """Axes that stay together are one axis, and the elements stand where the whole Transpose puts them."""
    array = np.arange(math.factorial(len(perm) + 1)).reshape(range(2, len(perm) + 2))
    assert np.array_equal(by_runs(array, perm), array.transpose(perm))


def test_runs_are_as_long_as_they_can_be() -> None:
    """Heads move in front of queries, and both halves of each stay one axis."""
    assert runs_of_transpose([0, 3, 4, 1, 2]) == ([[0], [1, 2], [3, 4]], [0, 2, 1])
    assert runs_of_transpose([0, 1, 2]) == ([[0, 1, 2]], [0])
