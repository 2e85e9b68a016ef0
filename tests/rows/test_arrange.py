"""Arrangements: every demanded row stands somewhere, groups stay together, padding is never read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.rows.arrange import Arrangement, Packing, arrange, group_of
from specialize.rows.axes import Axes, Axis

CAMERAS, QUERIES = 4, 7


def rows(cameras: int = CAMERAS, queries: int = QUERIES) -> tuple[Axis, Axis]:
    """Return the row factors of cameras and queries."""
    axes = Axes()
    camera = axes.row(cameras)
    return (*camera, *axes.row(queries)), camera


def packed(demanded: list[int], packing: Packing) -> Arrangement:
    """Return the arrangement of demanded camera-query pairs, grouped by camera."""
    factors, camera = rows()
    return arrange(factors, camera, np.array(demanded, dtype=np.int64), packing)


demands = st.sets(st.integers(0, CAMERAS * QUERIES - 1)).map(sorted)
packings = st.builds(Packing, st.sampled_from(["ragged", "padded"]), st.integers(1, 5))


@given(demands, packings)
def test_every_demanded_row_has_one_place(demanded: list[int], packing: Packing) -> None:
    """Filled places hold the demanded rows, each once, and `place_of` finds them."""
    at = packed(demanded, packing)
    assert sorted(at.index[at.filled]) == demanded
    places = at.place_of()
    np.testing.assert_array_equal(at.index[places[demanded]], demanded)
    assert (np.delete(places, demanded) == -1).all()


@given(demands, packings)
def test_groups_stand_together_with_their_lengths(demanded: list[int], packing: Packing) -> None:
    """Places go camera by camera, padding included: a padding place repeats a row of its own camera."""
    at = packed(demanded, packing)
    expected = np.repeat(np.arange(CAMERAS), at.lengths)
    np.testing.assert_array_equal(group_of(at.rows, at.groups, at.index), expected)
    for camera in range(CAMERAS):
        own = at.index[(expected == camera) & at.filled]
        assert (np.diff(own) > 0).all()


@given(demands, packings)
def test_lengths_are_the_least_that_the_packing_allows(demanded: list[int], packing: Packing) -> None:
    """Rounded up to the alignment; all the longest when padded; an unseeing camera needs nothing when ragged."""
    at = packed(demanded, packing)
    wanted = np.bincount(np.array(demanded, dtype=np.int64) // QUERIES, minlength=CAMERAS)
    least = -(-wanted // packing.align) * packing.align
    if packing.layout == "padded":
        least = np.full(CAMERAS, least.max())
    np.testing.assert_array_equal(at.lengths, least)
    assert len(at.index) == sum(at.lengths)


@given(demands)
def test_padded_rows_have_a_token_for_the_camera(demanded: list[int]) -> None:
    """Padded tensors are (cameras, longest); ragged ones have one axis of rows."""
    padded, ragged = packed(demanded, Packing("padded")), packed(demanded, Packing("ragged"))
    assert [token.size for token in padded.tokens] == [CAMERAS, max(padded.lengths)]
    assert [token.size for token in ragged.tokens] == [len(demanded)]


@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_capacity_is_a_least_length(layout: str) -> None:
    """A capacity is kept where fewer rows are demanded, and exceeded where more are."""
    at = packed([0, 1, 2, 8], Packing(layout, 1, (2, 2, 2, 2)))  # type: ignore[arg-type]
    assert at.lengths == ((3, 2, 2, 2) if layout == "ragged" else (3, 3, 3, 3))
    assert at.filled.sum() == 4


def test_without_groups_rows_are_one_run() -> None:
    """Rows that share everything need no cameras; padding repeats the last one."""
    factors, _ = rows()
    at = arrange(factors, (), np.array([3, 9, 20]), Packing("padded", 4))
    assert at.lengths == (4,)
    assert at.index.tolist() == [3, 9, 20, 20]
    assert at.group is None


def test_nothing_demanded_is_nothing_packed() -> None:
    """Cameras that all see nothing leave no places."""
    for layout in ("ragged", "padded"):
        at = packed([], Packing(layout))  # type: ignore[arg-type]
        assert at.lengths == (0, 0, 0, 0)
        assert len(at.index) == 0


def test_groups_need_not_be_the_outer_rows() -> None:
    """With queries outside and cameras inside, rows are still sorted by camera."""
    axes = Axes()
    query, camera = axes.row(3), axes.row(2)
    at = arrange((*query, *camera), camera, np.array([0, 1, 3, 4]), Packing("ragged"))
    assert at.index.tolist() == [0, 4, 1, 3]
    assert at.lengths == (2, 2)
