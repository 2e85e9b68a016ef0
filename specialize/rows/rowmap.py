"""RowMap: a static, sparse, linear movement of rows, `y = A x` over rows.

Gather, Slice, Concat, Expand, Pad, ScatterND with constant indices, a multiplication by a constant mask, a sum over
cameras and an addition of partial results are all such matrices; a chain of them is one. Rows are camera-query
pairs or frustum points; what a row carries is of no concern here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MOST_SHORT = 1 << 31
"""Rows below which scipy's own index type, which is twice as fast, is enough."""


@dataclass(frozen=True, slots=True, eq=False)
class RowMap:
    """A sparse matrix over rows.

    Attributes:
        matrix: `(rows out, rows in)` float64, no stored zeros, indices sorted.
    """

    matrix: sparse.csr_array

    @staticmethod
    def of(matrix: sparse.sparray) -> RowMap:
        """Return the map of any sparse matrix, in canonical form."""
        canonical = sparse.csr_array(matrix)
        canonical.sum_duplicates()
        canonical.eliminate_zeros()
        canonical.sort_indices()
        return RowMap(canonical)

    @staticmethod
    def identity(rows: int) -> RowMap:
        """Return the map that leaves every row where it is."""
        return RowMap.selection(np.arange(rows), rows)

    @staticmethod
    def selection(sources: npt.ArrayLike, rows_in: int, scale: npt.ArrayLike = 1.0) -> RowMap:
        """Return the map whose row i is `scale[i]` times row `sources[i]`; a source below 0 gives a row of zeros."""
        columns = np.asarray(sources, dtype=np.int64).ravel()
        scales = np.broadcast_to(np.asarray(scale, dtype=np.float64), columns.shape)
        if columns.max(initial=-1) >= rows_in:
            raise ValueError(f"a source of {columns.max()} among {rows_in} rows")
        shape = (len(columns), rows_in)
        index = np.int32 if max(shape) < _MOST_SHORT else np.int64
        kept = (columns >= 0) & (scales != 0)
        some = slice(None) if kept.all() else kept
        starts = np.zeros(len(columns) + 1, index)
        np.cumsum(kept, out=starts[1:])
        entries = (np.ascontiguousarray(scales[some]), columns[some].astype(index), starts)
        return RowMap(sparse.csr_array(entries, shape=shape))  # one entry a row at most: they are in order

    @staticmethod
    def injection(targets: npt.ArrayLike, rows_out: int) -> RowMap:
        """Return the map that adds row i to row `targets[i]`; a target below 0 drops the row."""
        targets = np.asarray(targets, dtype=np.int64).ravel()
        kept = np.flatnonzero(targets >= 0)
        ones = np.ones(len(kept))
        return RowMap.of(sparse.csr_array((ones, (targets[kept], kept)), shape=(rows_out, len(targets))))

    @staticmethod
    def diagonal(scale: npt.ArrayLike) -> RowMap:
        """Return the map that multiplies every row by its own number: a mask, or 1 / count."""
        scales = np.asarray(scale, dtype=np.float64).ravel()
        return RowMap.selection(np.arange(len(scales)), len(scales), scales)

    @property
    def rows_out(self) -> int:
        """Number of rows that the map gives."""
        return int(self.matrix.shape[0])

    @property
    def rows_in(self) -> int:
        """Number of rows that the map reads from."""
        return int(self.matrix.shape[1])

    def __matmul__(self, other: RowMap) -> RowMap:
        """Return the map that applies `other` first."""
        return RowMap.of(self.matrix @ other.matrix)

    def __add__(self, other: RowMap) -> RowMap:
        """Return the map that gives the sum of both."""
        return RowMap.of(self.matrix + other.matrix)

    def demanded(self) -> Ints:
        """Return the rows of the input that are read, ascending."""
        read = np.zeros(self.rows_in, bool)
        read[self.matrix.indices] = True
        return np.flatnonzero(read).astype(np.int64)

    def support(self) -> npt.NDArray[np.bool_]:
        """Return which rows of the output read anything at all."""
        return np.asarray(np.diff(self.matrix.indptr) > 0)

    def fan_in(self) -> int:
        """Return the largest number of rows that one row of the output reads."""
        return int(np.diff(self.matrix.indptr).max(initial=0))

    def take_rows(self, rows: Ints) -> RowMap:
        """Return the map of some rows of the result, in the given order."""
        if not self._reads_one_each():
            return RowMap(self.matrix[rows])  # rows stay in order and without zeros
        starts = np.arange(len(rows) + 1, dtype=self.matrix.indptr.dtype)
        entries = (self.matrix.data[rows], self.matrix.indices[rows], starts)
        return RowMap(sparse.csr_array(entries, shape=(len(rows), self.rows_in)))

    def as_selection(self) -> Ints | None:
        """Return the source of every row if each is exactly one row times one; otherwise None."""
        scaled = self.as_scaled_selection()
        return scaled[0] if scaled is not None and bool((scaled[1] == 1.0).all()) else None

    def as_scaled_selection(self) -> tuple[Ints, Floats] | None:
        """Return source and coefficient of every row if each reads exactly one row; otherwise None."""
        if not self._reads_one_each():
            return None
        return self.matrix.indices.astype(np.int64), self.matrix.data

    def _reads_one_each(self) -> bool:
        return len(self.matrix.indices) == self.rows_out and bool(self.support().all())

    def table(self, least: int = 0) -> tuple[Ints, Floats]:
        """Return sources and coefficients, both `(rows out, fan-in)`; an unused place is source -1, coefficient 0.

        Args:
            least: Fan-in that the table has at least.
        """
        width = max(self.fan_in(), least)
        sources = np.full((self.rows_out, width), -1, dtype=np.int64)
        scales = np.zeros((self.rows_out, width))
        counts = np.diff(self.matrix.indptr)
        row = np.repeat(np.arange(self.rows_out), counts)
        place = np.arange(len(row)) - np.repeat(self.matrix.indptr[:-1], counts)
        sources[row, place] = self.matrix.indices
        scales[row, place] = self.matrix.data
        return sources, scales
