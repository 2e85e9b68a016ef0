"""Factors: the identities of tensor axes, finer than axes and stable under Reshape and Transpose.

`(6 * 8, 32, 2500, 4)` in a deformable attention is `(camera head, channel, query, point)`: five factors on four
axes. A Reshape regroups factors, a Transpose permutes them, and a factor that a Reshape cuts is cut in every tensor
that has it.
A factor is a *row* factor (cameras, queries: what row maps move) or a *feature* factor (what a row carries).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

import numpy as np
import numpy.typing as npt

from specialize.graph.axes import regroup, size_of

Ints = npt.NDArray[np.int64]


@dataclass(eq=False, slots=True)
class Factor:
    """One axis identity.

    Attributes:
        size: Number of indices, at least 2: an axis of size 1 has no factors.
        rank: Place among row factors, outermost first; None for a feature factor.
    """

    size: int
    rank: tuple[int, ...] | None = None

    @property
    def is_row(self) -> bool:
        """Return whether row maps move along this factor."""
        return self.rank is not None


Axis = tuple[Factor, ...]
Layout = tuple[Axis, ...]


def factors_of(layout: Layout) -> Axis:
    """Return the factors of all axes of a tensor, outermost first."""
    return tuple(factor for axis in layout for factor in axis)


class Axes:
    """Keeps what has been found out about factors: which were split, and which are the same."""

    def __init__(self) -> None:
        self._finer: dict[Factor, Axis] = {}
        self._tensors: set[frozenset[Factor]] = set()
        self._inner_rank = 0
        self._outer_rank = 0

    def feature(self, size: int) -> Axis:
        """Return a fresh feature axis."""
        return (Factor(size),) if size > 1 else ()

    def row(self, size: int) -> Axis:
        """Return a fresh row axis, inner to all earlier ones."""
        self._inner_rank += 1
        return (Factor(size, (self._inner_rank,)),) if size > 1 else ()

    def outer_row(self, size: int) -> Axis:
        """Return a fresh row axis, outer to all earlier ones."""
        self._outer_rank -= 1
        return (Factor(size, (self._outer_rank,)),) if size > 1 else ()

    def row_like(self, axis: Axis, size: int) -> Axis:
        """Return a fresh row axis that stands where another one stood among the rows."""
        ranks = [factor.rank for factor in self.resolve(axis) if factor.rank is not None]
        if not ranks:
            return self.row(size)
        return (Factor(size, min(ranks)),) if size > 1 else ()

    def promote(self, factor: Factor) -> None:
        """Make a feature factor a row factor, inner to all earlier ones."""
        if factor.rank is None:
            self._inner_rank += 1
            factor.rank = (self._inner_rank,)

    def keep_apart(self, layout: Layout) -> None:
        """Remember that a tensor has this layout: no two of its factors will ever be found to be the same."""
        self._tensors.add(frozenset(factors_of(layout)))

    def resolve(self, axis: Iterable[Factor]) -> Axis:
        """Return the finest known factors of an axis."""
        found: list[Factor] = []
        stack = list(axis)[::-1]
        while stack:
            factor = stack.pop()
            finer = self._finer.get(factor)
            if finer is None:
                found.append(factor)
            else:
                stack.extend(reversed(finer))
        return tuple(found)

    def layout(self, layout: Layout) -> Layout:
        """Return a layout in the finest known factors."""
        return tuple(self.resolve(axis) for axis in layout)

    def flat(self, layout: Layout) -> Axis:
        """Return the finest known factors of a tensor, whatever axes they are grouped to."""
        return self.resolve(factors_of(layout))

    def rows(self, layout: Layout) -> Axis:
        """Return the row factors of a layout, outermost first, whatever their place in the tensor."""
        found = [factor for factor in self.flat(layout) if factor.is_row]
        return tuple(sorted(found, key=lambda factor: factor.rank or ()))

    def is_row(self, axis: Axis) -> bool:
        """Return whether row maps move along the whole of an axis."""
        resolved = self.resolve(axis)
        return bool(resolved) and all(factor.is_row for factor in resolved)

    def is_feature(self, axis: Axis) -> bool:
        """Return whether an axis has no row factor; an axis of size 1 has none."""
        return not any(factor.is_row for factor in self.resolve(axis))

    def regroup(self, layout: Layout, sizes: Sequence[int]) -> Layout | None:
        """Return the same factors grouped to axes of the given sizes; None if a cut falls inside no factor."""
        return regroup(self.flat(layout), sizes, self._split)

    def same_rows(self, one: Layout, other: Layout) -> bool:
        """Return whether two layouts of one tensor have the same row factors in the same places."""
        return self._places(one) == self._places(other)

    def unify(self, one: Layout, other: Layout) -> bool:
        """Identify the factors of two layouts of one tensor; False, and nothing changed, if they cannot be."""
        pairs = [(self.resolve(a), self.resolve(b)) for a, b in zip(one, other, strict=True)]
        if all(a == b for a, b in pairs):
            return True
        if not self.same_rows(one, other) or not all(_compatible(a, b) for a, b in pairs):
            return False
        before = dict(self._finer)
        self.keep_apart(one)
        self.keep_apart(other)
        for a, b in pairs:
            self._unify_axis(self.resolve(a), self.resolve(b))
        if any(self._meet(factors) for factors in self._tensors):
            self._finer = before
            return False
        return True

    def match(self, one: Layout, other: Layout) -> list[tuple[Factor, Factor]] | None:
        """Pair the row factors of two layouts of one tensor and identify the features; None if they differ.

        Rows keep their identities: two cameras taken out of one tensor are different rows of the same rows.
        """
        pairs = [
            (a, b)
            for own, theirs in zip(self.layout(one), self.layout(other), strict=True)
            for a, b in zip_longest(own, theirs)
        ]
        if any(a is None or b is None or a.size != b.size or a.is_row != b.is_row for a, b in pairs):
            return None
        before = dict(self._finer)
        self.keep_apart(other)
        for a, b in pairs:
            if not a.is_row:
                self._unify_axis(self.resolve((a,)), self.resolve((b,)))
        if any(self._meet(factors) for factors in self._tensors):
            self._finer = before
            return None
        return [(a, b) for a, b in pairs if a.is_row]

    def _meet(self, factors: frozenset[Factor]) -> bool:
        """Return whether two factors of one tensor have become the same."""
        found = self.resolve(factors)
        return len(found) != len(set(found))

    def _places(self, layout: Layout) -> list[list[tuple[int, Factor]]]:
        places = []
        for axis in self.layout(layout):
            stride, found = 1, []
            for factor in reversed(axis):
                if factor.is_row:
                    found.append((stride, factor))
                stride *= factor.size
            places.append(found)
        return places

    def _split(self, factor: Factor, outer: int) -> tuple[Factor, Factor]:
        """Cut a factor in two, the outer one of the given size."""
        inner_rank = outer_rank = None
        if factor.rank is not None:
            outer_rank, inner_rank = (*factor.rank, 0), (*factor.rank, 1)
        parts = (Factor(outer, outer_rank), Factor(factor.size // outer, inner_rank))
        self._finer[factor] = parts
        return parts

    def _unify_axis(self, one: Axis, other: Axis) -> None:
        left, right = list(one)[::-1], list(other)[::-1]
        while left and right:
            a, b = left.pop(), right.pop()
            if a is b:
                continue
            if a.size == b.size:
                self._finer[b] = (a,)
            elif a.size > b.size:
                a, rest = self._split(a, b.size)
                self._finer[b] = (a,)
                left.append(rest)
            else:
                b, rest = self._split(b, a.size)
                self._finer[b] = (a,)
                right.append(rest)


def _compatible(one: Axis, other: Axis) -> bool:
    """Return whether the cuts of two axes nest, so that a common refinement exists."""
    cuts = {1}
    for axis in (one, other):
        stride = 1
        for factor in reversed(axis):
            stride *= factor.size
            cuts.add(stride)
    return size_of(one) == size_of(other) and all(b % a == 0 for a, b in pairwise(sorted(cuts)))


def row_ids(axes: Axes, layout: Layout) -> Ints:
    """Return the flat row number at every place of a tensor, one axis per tensor axis, features of size 1.

    Rows are numbered with the outermost row factor slowest, wherever it stands in the tensor.
    """
    rows = axes.rows(layout)
    ids = np.arange(size_of(rows), dtype=np.int64).reshape([factor.size for factor in rows])
    placed = [factor for factor in axes.flat(layout) if factor.is_row]
    ids = ids.transpose([rows.index(factor) for factor in placed])
    return ids.reshape([size_of(f for f in axis if f.is_row) for axis in axes.layout(layout)])


def by_row(axes: Axes, layout: Layout, placed: Ints) -> Ints:
    """Return what stands at each place of a tensor of that layout, in the order of its rows."""
    ids = row_ids(axes, layout)
    found = np.empty(ids.size, dtype=np.int64)
    found[ids.ravel()] = placed.reshape(ids.shape).ravel()
    return found


def aligned(layout: Layout, sizes: tuple[int, ...]) -> Layout:
    """Return the layout of a broadcast operand of the given shape."""
    tail = layout[len(layout) - len(sizes) :]
    return tuple(() if size == 1 else axis for size, axis in zip(sizes, tail, strict=True))


def unreduced(layout: Layout, sizes: tuple[int, ...], where: list[int], reduced: list[Axis]) -> Layout:
    """Return the layout of the input of a reduction."""
    kept = iter(axis for place, axis in enumerate(layout) if len(layout) != len(sizes) or place not in where)
    fresh = iter(reduced)
    return tuple(next(fresh) if place in where else next(kept) for place in range(len(sizes)))


def around(layout: Layout, start: int, end: int) -> tuple[Axis, Axis, Axis]:
    """Return what numbers the axes before some adjacent ones, these, and the axes behind them."""
    return factors_of(layout[:start]), factors_of(layout[start:end]), factors_of(layout[end:])
