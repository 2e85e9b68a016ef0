"""Columns that grow as a fleet is read, without a second copy at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPARE = 1 / 16
"""Room that is made at once, as a share of what is there."""


def in_order(parts: Sequence[Any], *columns: str) -> list[NDArray[Any]]:
    """Return columns of all parts of a fleet, each in the order of the vehicles' `places`."""
    if len(parts) == 1 and (np.diff(parts[0].places) > 0).all():
        return [getattr(parts[0], name) for name in columns]
    order = np.argsort(np.concatenate([part.places for part in parts]))
    return [np.concatenate([getattr(part, name) for part in parts])[order] for name in columns]


class Grown:
    """Rows that are added in parts; a million of them are never copied, since the system moves their pages."""

    def __init__(self) -> None:
        self._rows: NDArray[Any] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: NDArray[Any]) -> None:
        """Append rows (R, ...), all of one shape and kind."""
        if self._rows is None:
            self._rows = np.empty((0, *rows.shape[1:]), rows.dtype)
        end = self._count + len(rows)
        if end > len(self._rows):
            self._rows.resize((int(end * (1 + SPARE)) + 1, *rows.shape[1:]), refcheck=False)
        self._rows[self._count : end] = rows
        self._count = end

    def whole(self) -> NDArray[Any]:
        """Return all rows (R, ...); nothing may be added afterwards."""
        assert self._rows is not None, "no rows were added"
        return self._rows[: self._count]
