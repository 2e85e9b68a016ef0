"""Row maps against dense matrices: whatever a map does must be what its matrix does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from specialize.rows.rowmap import RowMap

SCALES = (0.0, 1.0, 1.0, -2.0, 0.5)


@st.composite
def row_maps(draw: st.DrawFn, rows_in: int | None = None, rows_out: int | None = None) -> RowMap:
    """Any sparse map of up to 6 rows, empty rows and columns included."""
    shape = (
        draw(st.integers(0, 6)) if rows_out is None else rows_out,
        draw(st.integers(1, 6)) if rows_in is None else rows_in,
    )
    values = draw(
        st.lists(
            st.sampled_from((*SCALES, 0.0, 0.0)), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
        )
    )
    return RowMap.of(sparse.csr_array(np.array(values, dtype=np.float64).reshape(shape)))


def dense(map_: RowMap) -> np.ndarray:
    """Return the (rows out, rows in) matrix of a map."""
    return map_.matrix.toarray()


@given(st.data())
def test_composition_is_the_matrix_product(data: st.DataObject) -> None:
    """`a @ b` applies b first."""
    b = data.draw(row_maps())
    a = data.draw(row_maps(rows_in=b.rows_out)) if b.rows_out else RowMap.identity(0)
    np.testing.assert_array_equal(dense(a @ b), dense(a) @ dense(b))


@given(st.data())
def test_addition_is_the_matrix_sum(data: st.DataObject) -> None:
    """Entries that cancel are no entries any more."""
    a = data.draw(row_maps())
    b = data.draw(row_maps(rows_in=a.rows_in, rows_out=a.rows_out))
    total = a + b
    np.testing.assert_array_equal(dense(total), dense(a) + dense(b))
    assert (total.matrix.data != 0).all()


@given(row_maps())
def test_demand_and_support_are_the_nonzero_columns_and_rows(map_: RowMap) -> None:
    """A column of zeros is not demanded; a row of zeros reads nothing."""
    matrix = dense(map_)
    np.testing.assert_array_equal(map_.demanded(), np.flatnonzero((matrix != 0).any(axis=0)))
    np.testing.assert_array_equal(map_.support(), (matrix != 0).any(axis=1))
    assert map_.fan_in() == max([0, *(matrix != 0).sum(axis=1)])


@given(st.data())
def test_taking_rows_orders_and_repeats_them(data: st.DataObject) -> None:
    """`take_rows` is indexing."""
    map_ = data.draw(row_maps(rows_out=4))
    rows = np.array(data.draw(st.lists(st.integers(0, 3), max_size=6)), dtype=np.int64)
    np.testing.assert_array_equal(dense(map_.take_rows(rows)), dense(map_)[rows])


@given(row_maps())
def test_table_is_the_map(map_: RowMap) -> None:
    """Sources and coefficients of the table give the matrix back; unused places are -1 and 0."""
    sources, scales = map_.table()
    assert sources.shape == scales.shape == (map_.rows_out, map_.fan_in())
    rebuilt = np.zeros((map_.rows_out, map_.rows_in))
    for row, (places, factors) in enumerate(zip(sources, scales, strict=True)):
        for place, factor in zip(places, factors, strict=True):
            assert (place < 0) == (factor == 0)
            if place >= 0:
                rebuilt[row, place] += factor
    np.testing.assert_array_equal(rebuilt, dense(map_))


@given(row_maps())
def test_a_selection_is_seen_where_there_is_one(map_: RowMap) -> None:
    """Exactly the matrices with one 1 in every row are selections."""
    matrix = dense(map_)
    alone = bool(((matrix != 0).sum(axis=1) == 1).all())
    scaled = map_.as_scaled_selection()
    assert (scaled is not None) == alone
    selection = map_.as_selection()
    assert (selection is not None) == (alone and bool((matrix[matrix != 0] == 1).all()))
    if selection is not None:
        np.testing.assert_array_equal(dense(RowMap.selection(selection, map_.rows_in)), matrix)


@given(st.lists(st.integers(-1, 4), max_size=8))
def test_selection_and_injection_are_transposes(places: list[int]) -> None:
    """What a selection reads from, an injection of the same places writes to; -1 is nowhere."""
    selection, injection = RowMap.selection(places, 5), RowMap.injection(places, 5)
    np.testing.assert_array_equal(dense(selection).T, dense(injection))


def test_injection_adds_rows_that_meet() -> None:
    """Two rows with the same target are summed."""
    np.testing.assert_array_equal(dense(RowMap.injection([1, 1], 3)), [[0, 0], [1, 1], [0, 0]])


@given(st.lists(st.sampled_from(SCALES), max_size=6))
def test_a_mask_is_a_diagonal(scale: list[float]) -> None:
    """Zeros of a mask are not entries, so those rows are not demanded."""
    map_ = RowMap.diagonal(scale)
    np.testing.assert_array_equal(dense(map_), np.diag(np.array(scale, dtype=np.float64)))
    np.testing.assert_array_equal(map_.demanded(), np.flatnonzero(scale))


def test_a_selection_is_canonical() -> None:
    """Rows without a source or with a factor of zero hold nothing; a source that is not there is an error."""
    map_ = RowMap.selection([3, -1, 2, 2], 5, [1, 2, 0, 4])
    np.testing.assert_array_equal(dense(map_), [[0, 0, 0, 1, 0], [0] * 5, [0] * 5, [0, 0, 4, 0, 0]])
    assert map_.matrix.nnz == 2 and map_.matrix.has_canonical_format
    with pytest.raises(ValueError, match="a source of 5 among 5 rows"):
        RowMap.selection([5], 5)
