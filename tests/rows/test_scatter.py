"""Which axes the places of a scatter only count through."""

from __future__ import annotations

import numpy as np

from specialize.rows.ops.scatter import whole_axes


def places(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return places (F, R, 2) along features and rows."""
    return np.stack(np.broadcast_arrays(features, rows), axis=-1)


def test_an_axis_that_is_counted_through_is_whole() -> None:
    """`x[:, rows]` writes the same rows of every feature."""
    found = places(np.arange(3)[:, None], np.array([[4, 0, 2, 1]]))
    assert whole_axes(found, (3, 5)) == {0: 0}


def test_features_with_rows_of_their_own_are_not() -> None:
    """If each feature writes other rows, those of the first say nothing of the others."""
    rows = np.array([[4, 0, 2, 1], [4, 0, 2, 1], [4, 0, 2, 3]])
    assert whole_axes(places(np.arange(3)[:, None], rows), (3, 5)) == {}


def test_features_in_another_order_are_not() -> None:
    """Features that are written in another order are no count, nor is a part of them."""
    rows = np.array([[4, 0, 2, 1]])
    assert whole_axes(places(np.array([[0], [2], [1]]), rows), (3, 5)) == {}
    assert whole_axes(places(np.arange(2)[:, None], rows), (3, 5)) == {}


def test_both_axes_may_be_whole() -> None:
    """Every place, in order."""
    assert whole_axes(places(np.arange(3)[:, None], np.arange(5)[None]), (3, 5)) == {0: 0, 1: 1}
