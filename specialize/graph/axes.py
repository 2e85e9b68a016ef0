"""Axes of tensors as lists of factors: what Reshape cuts and joins, and what Transpose keeps together.

A tensor of shape `(48, 2500)` has the axes `(camera, head)` and `(query,)` if its 48 are 6 cameras of 8 heads. What a
factor is, is up to the caller: an identity (`rows/axes.py`) or a size with a stride (`graph/views.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar


class HasSize(Protocol):
    """A part of an axis."""

    @property
    def size(self) -> int:
        """Number of indices."""


F = TypeVar("F", bound=HasSize)


def size_of(factors: Iterable[HasSize]) -> int:
    """Return the number of indices that the factors span together."""
    total = 1
    for factor in factors:
        total *= factor.size
    return total


def regroup(
    factors: Iterable[F], sizes: Sequence[int], split: Callable[[F, int], tuple[F, F]]
) -> tuple[tuple[F, ...], ...] | None:
    """Return the factors of a tensor, grouped to axes of other sizes: Reshape.

    Args:
        factors: Those of all axes, outermost first.
        sizes: Of the new axes.
        split: Returns a factor cut in two, the outer one of the given size.

    Returns:
        One tuple per new axis; None if a factor would have to be cut where it has no whole parts.
    """
    flat = list(factors)[::-1]
    axes: list[tuple[F, ...]] = []
    for size in sizes:
        axis: list[F] = []
        have = 1
        while have < size:
            if not flat:
                return None
            factor = flat.pop()
            wanted = size // have
            if size % have or (factor.size > wanted and factor.size % wanted):
                return None
            if factor.size > wanted:
                factor, rest = split(factor, wanted)
                flat.append(rest)
            axis.append(factor)
            have *= factor.size
        if have != size:
            return None
        axes.append(tuple(axis))
    return None if flat else tuple(axes)


def runs_of_transpose(perm: Iterable[int]) -> tuple[list[list[int]], list[int]]:
    """Cut axes into the longest runs that a permutation keeps together.

    Args:
        perm: Where each axis comes from.

    Returns:
        The runs in the order before, and where each comes from.
    """
    moved: list[list[int]] = []
    for axis in perm:
        if moved and axis == moved[-1][-1] + 1:
            moved[-1].append(axis)
        else:
            moved.append([axis])
    runs = sorted(moved)
    return runs, [runs.index(run) for run in moved]
