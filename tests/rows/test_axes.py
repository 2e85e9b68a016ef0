"""Axes: factors follow a tensor through Reshape and Transpose, checked against numpy."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from specialize.graph.axes import size_of
from specialize.rows.axes import Axes, Layout, row_ids

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def shape_of(layout: Layout) -> list[int]:
    """Return the sizes of the axes of a layout."""
    return [size_of(axis) for axis in layout]


def factor_sizes(axes: Axes, layout: Layout) -> list[list[int]]:
    """Return the sizes of the finest factors, axis by axis."""
    return [[factor.size for factor in axis] for axis in axes.layout(layout)]


@st.composite
def regroupings(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two shapes with the same number of elements."""
    primes = draw(st.lists(st.sampled_from([2, 2, 3, 5]), max_size=5))
    shapes = []
    for _ in range(2):
        cuts = sorted(draw(st.lists(st.integers(0, len(primes)), max_size=3)))
        shapes.append([math.prod(primes[a:b]) for a, b in zip([0, *cuts], [*cuts, len(primes)], strict=True)])
    return shapes[0], shapes[1]


@given(regroupings())
def test_regrouping_keeps_every_factor(shapes: tuple[list[int], list[int]]) -> None:
    """A Reshape of axes that nest gives the wanted sizes and goes back to where it came from."""
    axes = Axes()
    layout = tuple(axes.feature(size) for size in shapes[0])
    grouped = axes.regroup(layout, shapes[1])
    assert grouped is not None
    assert shape_of(axes.layout(grouped)) == shapes[1]
    back = axes.regroup(grouped, shapes[0])
    assert back is not None
    assert axes.layout(back) == axes.layout(layout)


def test_a_cut_across_a_factor_is_refused() -> None:
    """(2, 3) cannot be seen as (3, 2): its factors do not nest."""
    axes = Axes()
    assert axes.regroup((axes.feature(2), axes.feature(3)), [3, 2]) is None


def test_a_split_is_seen_through_every_layout() -> None:
    """Cutting (12,) to (3, 4) cuts it in every tensor that has the axis."""
    axes = Axes()
    twelve = axes.row(12)
    other: Layout = (axes.feature(5), twelve)
    grouped = axes.regroup((twelve,), [3, 4])
    assert grouped is not None
    assert factor_sizes(axes, other) == [[5], [3, 4]]
    assert axes.rows(other) == axes.rows(grouped)


def test_rows_are_ordered_by_rank_not_by_place() -> None:
    """A Transpose does not change the numbers of rows."""
    axes = Axes()
    camera, query, feature = axes.row(2), axes.row(3), axes.feature(4)
    assert axes.rows((feature, query, camera)) == axes.rows((camera, query, feature))
    ids = row_ids(axes, (query, camera))
    np.testing.assert_array_equal(ids, np.arange(6).reshape(2, 3).T)


@given(SIZES, st.randoms())
def test_row_ids_follow_a_transpose(sizes: list[int], random: object) -> None:
    """Transposing the layout transposes the row numbers."""
    axes = Axes()
    layout = tuple(axes.row(size) for size in sizes)
    order = list(range(len(sizes)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = tuple(layout[place] for place in order)
    np.testing.assert_array_equal(row_ids(axes, moved), row_ids(axes, layout).transpose(order))


def test_features_count_one_in_row_ids() -> None:
    """Row numbers are the same for all features."""
    axes = Axes()
    assert row_ids(axes, (axes.feature(4), axes.row(3))).shape == (1, 3)


def test_unify_cuts_both_where_either_is_cut() -> None:
    """The same axis seen as (2, 6) and as (4, 3) is (2, 2, 3)."""
    axes = Axes()
    one = (*axes.feature(2), *axes.feature(6))
    other = (*axes.feature(4), *axes.feature(3))
    assert axes.unify((one,), (other,))
    assert axes.resolve(one) == axes.resolve(other)
    assert factor_sizes(axes, (one,)) == [[2, 2, 3]]


def test_unify_refuses_cuts_that_do_not_nest() -> None:
    """(2, 3) and (3, 2) of one axis have no common refinement; nothing is changed."""
    axes = Axes()
    one = (*axes.feature(2), *axes.feature(3))
    other = (*axes.feature(3), *axes.feature(2))
    assert not axes.unify((one,), (other,))
    assert axes.resolve(one) == one
    assert axes.resolve(other) == other


def test_unify_refuses_other_rows() -> None:
    """Features may be found to be the same; rows are the same or not."""
    axes = Axes()
    row, feature = axes.row(3), axes.feature(3)
    assert not axes.unify((row,), (feature,))
    assert not axes.unify((row,), (axes.row(3),))
    assert axes.unify((row, feature), (row, axes.feature(3)))


def test_unify_refuses_to_make_two_axes_of_a_tensor_one() -> None:
    """A tensor seen as (a, b) and as (b, a) has two axes still."""
    axes = Axes()
    a, b = axes.feature(3), axes.feature(3)
    assert not axes.unify((a, b), (b, a))
    assert axes.resolve(a) != axes.resolve(b)


def test_split_rows_keep_their_order() -> None:
    """The parts of a split row factor stand where it stood, the outer part first."""
    axes = Axes()
    first, twelve, last = axes.row(2), axes.row(12), axes.row(5)
    axes.regroup((twelve,), [3, 4])
    assert [factor.size for factor in axes.rows((last, twelve, first))] == [2, 3, 4, 5]


def test_outer_rows_stand_outside() -> None:
    """A row factor made by indexing cameras one by one is outer to all."""
    axes = Axes()
    query = axes.row(3)
    camera = axes.outer_row(2)
    assert axes.rows((query, camera)) == (*camera, *query)


def test_size_one_has_no_factor() -> None:
    """An axis of size 1 is nothing."""
    axes = Axes()
    assert axes.row(1) == axes.outer_row(1) == axes.feature(1) == ()
