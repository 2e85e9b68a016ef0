"""Keep large values in files, and read of them what is asked for: those of all sites do not fit into memory at once."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path

import numpy as np

SMALL = 1 << 20
"""Bytes up to which a value stays in memory."""


class Spilled(MutableMapping[str, np.ndarray]):
    """Values by name. A large one lies in a file, and is mapped anew each time it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Keep values in a folder, which is made, and which outlives the values' use."""
        folder.mkdir()
        self._folder = folder
        self._values: dict[str, np.ndarray | Path] = {}
        self._count = 0

    def __getitem__(self, name: str) -> np.ndarray:
        value = self._values[name]
        return np.asarray(np.load(value, mmap_mode="r")) if isinstance(value, Path) else value

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        self.pop(name, None)
        if array.nbytes <= SMALL:
            self._values[name] = array
            return
        path = self._folder / f"{self._count}.npy"
        self._count += 1
        np.save(path, array)
        self._values[name] = path

    def __delitem__(self, name: str) -> None:
        value = self._values.pop(name)
        if isinstance(value, Path):
            value.unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
