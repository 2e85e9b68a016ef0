"""Paths of many files or rows, each made when it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload


class Paths(Sequence[Path]):
    """Paths in the order of their names; a million of them need the memory of their names.

    Args:
        names: The names, in any sequence that can be cut.
    """

    def __init__(self, names: Any) -> None:
        self._names = names

    @abstractmethod
    def _path(self, name: Any) -> Path:
        """Return the path of a name, as the sequence of names holds it."""

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | Sequence[Path]:
        """Return one path, or several."""
        if isinstance(index, slice):
            return [self._path(name) for name in self._names[index]]
        return self._path(self._names[index])
