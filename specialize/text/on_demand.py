"""A list whose entries are made when they are asked for: a fleet has more of them than memory should hold."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TypeVar, overload

One = TypeVar("One", covariant=True)


class OnDemand(Sequence[One]):
    """Entries of which less is kept than they are."""

    @abc.abstractmethod
    def one(self, index: int) -> One:
        """Return one entry; those after the last are an IndexError."""

    @overload
    def __getitem__(self, index: int) -> One: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[One]: ...
    def __getitem__(self, index: int | slice) -> One | Sequence[One]:
        """Return one entry, or several as a list."""
        if isinstance(index, slice):
            return [self.one(place) for place in range(*index.indices(len(self)))]
        return self.one(index if index >= 0 else len(self) + index)
