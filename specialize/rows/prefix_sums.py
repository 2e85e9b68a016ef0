"""Cumulative sums over rows: what is read of them are differences, and a difference is a sum over a range of rows.

Sorted pooling sums all points from the first to the last, reads the sums at the ends of intervals, and subtracts
neighbours. The matrix of a cumulative sum has half of all entries; that of its differences has one entry per point.
So a cumulative sum stays a base of its own while row maps are composed with it, and is multiplied out when all of
them are known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from specialize.rows.expr import Combination, Prefix, Source, Term, combination
from specialize.rows.rowmap import RowMap

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_ENTRIES = 4
"""Entries per summed row that the differences of a cumulative sum may have; sums from the beginning have far more."""

ROUNDING = 1e-9


def multiplied_out(value: Combination) -> Combination:
    """Return a combination without cumulative sums: each as what is summed, or as the tensor that it is."""
    if not any(isinstance(term.base, Prefix) for term in value.terms):
        return value
    terms: list[Term] = []
    for term in value.terms:
        terms += _summands(term, term.base) if isinstance(term.base, Prefix) else [term]
    return combination(value.rows, terms)


def reads_differences(value: Combination) -> bool:
    """Return whether a combination reads cumulative sums, and nothing of them but differences."""
    sums = [term for term in value.terms if isinstance(term.base, Prefix)]
    return bool(sums) and all(isinstance(term.base, Prefix) and _ranges(term.map, term.base) for term in sums)


def _summands(term: Term, base: Prefix) -> list[Term]:
    map_ = _ranges(term.map, base)
    if map_ is None:
        return [Term(term.map, Source(base.value, base.layout, base.rows))]
    return [Term(map_ @ inner.map, inner.base) for inner in multiplied_out(base.operand).terms]


def _ranges(map_: RowMap, base: Prefix) -> RowMap | None:
    """Return which rows are summed, given which cumulative sums are added up; None if those are too many.

    The sums of one result and one line are sorted by place. A row counts as often as all sums from its place on: a
    step function, whose steps are the places that are read.
    """
    entries = map_.matrix.tocoo()
    line, place = base.line[entries.col], base.place[entries.col]
    order = np.lexsort((place, line, entries.row))
    row, line, end, scale = entries.row[order], line[order], place[order], entries.data[order]
    new = np.ones(len(row), np.bool_)
    new[1:] = (row[1:] != row[:-1]) | (line[1:] != line[:-1])
    group = np.cumsum(new) - 1
    total = np.bincount(group, scale)[group]
    before = np.cumsum(scale) - scale
    height = _settled(total - (before - before[new][group]))  # this sum and those that end behind it
    start = np.where(new, 0, np.roll(end, 1) + base.inclusive)
    lengths = np.where(height != 0, end + base.inclusive - start, 0)
    if lengths.sum() > MOST_ENTRIES * max(map_.rows_in, map_.rows_out):
        return None
    which = np.repeat(np.arange(len(lengths)), lengths)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    column = _row_at(base)[line[which], start[which] + offset]
    shape = (map_.rows_out, map_.rows_in)
    return RowMap.of(sparse.csr_array((height[which], (row[which], column)), shape=shape))


def _settled(numbers: Floats) -> Floats:
    """Return numbers that are whole but for rounding as whole numbers: most differences are 1, all others 0."""
    whole = np.round(numbers)
    return np.where(np.abs(numbers - whole) < ROUNDING, whole, numbers)


def _row_at(base: Prefix) -> Ints:
    """Return the row at every place of every line, (lines, places)."""
    lines, places = (int(numbers.max(initial=-1)) + 1 for numbers in (base.line, base.place))
    table = np.zeros((lines, places), np.int64)
    table[base.line, base.place] = np.arange(len(base.line))
    return table
