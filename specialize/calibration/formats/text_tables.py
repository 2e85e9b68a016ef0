"""Parse KITTI's calibration text: lines of `name: numbers`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration.document import read_text
from specialize.calibration.pose import Matrix
from specialize.errors import InputError, closest


class TextTable:
    """The numbers of one KITTI file by name; lines without numbers (times, dates) are skipped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, list[float]] = {}
        for line in read_text(path).splitlines():
            name, separator, rest = line.partition(":" if ":" in line else " ")
            try:
                numbers = [float(word) for word in rest.split()]
            except ValueError:
                continue
            if separator and numbers:
                self.values[name.strip()] = numbers

    def matrix(self, rows: int, columns: int, *names: str) -> Matrix:
        """Return the first of these names that the file has, as (rows, columns).

        Raises:
            InputError: None of them is there, or it has another number of entries.
        """
        for name in names:
            if name in self.values:
                if len(self.values[name]) != rows * columns:
                    expected = f"{rows * columns} numbers"
                    raise InputError(f"{self.path}: {name}", expected, str(len(self.values[name])))
                return np.array(self.values[name]).reshape(rows, columns)
        raise InputError(str(self.path), f"the line {names[0]!r}", "nothing", closest(names[0], self.values))
