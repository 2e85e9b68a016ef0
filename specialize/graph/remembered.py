"""What follows from a model alone, kept for the next vehicles that the same process builds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 8
"""How many results are kept."""


class Remembered(Generic[T]):
    """The last few results of something that takes long, by what they follow from."""

    def __init__(self, most: int = MOST) -> None:
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._most = most

    def get(self, key: Hashable) -> T | None:
        """Return what was kept for a key; None if nothing was."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: Hashable, value: T) -> T:
        """Keep a value, in place of the one that was not asked for longest if there are too many; return it."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return value
