"""Which of an engine's tables are those of a pooling; reading them needs numpy alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.rows.capacity import SIDE_BY_SIDE, SIZE, Room
from specialize.rows.table_input import MADE, Table

Array = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Members:
    """The tables of one pooling, by name.

    Attributes:
        weights: Per level which places hold a row of their own.
        cells: Which sums are those of every cell.
        blocks: Per level but the first, which sums are summed again.
    """

    weights: tuple[str, ...]
    cells: str
    blocks: tuple[str, ...]

    def counts(self, tables: Mapping[str, Array]) -> Ints:
        """Return how many points every cell is the sum of, (cells,)."""
        numbers = [tables[self.weights[0]].reshape(-1, SIZE).sum(axis=1).astype(np.int64)]
        for weights, blocks in zip(self.weights[1:], self.blocks, strict=True):
            picked = numbers[-1][tables[blocks].reshape(-1).astype(np.int64)]
            kept = tables[weights].reshape(-1) != 0
            numbers.append((picked * kept).reshape(-1, SIZE).sum(axis=1))
        joined = np.concatenate([*numbers, np.zeros(1, np.int64)])
        sources = tables[self.cells].reshape(-1, SIDE_BY_SIDE).astype(np.int64)
        return np.asarray(joined[sources].sum(axis=1), np.int64)


def site_of(member: str) -> str:
    """Return the site that a constant is of."""
    return member.removeprefix(MADE).rpartition("/")[0]


def levels_of(room: Room | None) -> tuple[int, ...]:
    """Return the blocks of a site's pooling on every level; none of a site that does not only pool."""
    if room is None or len(room.sums) != 1 or not room.sums[0].scattered:
        return ()
    return room.sums[0].blocks


def members_of(tables: Sequence[Table], site: str, levels: int) -> Members | None:
    """Return the tables of the pooling of a site; None if it has others."""
    found: dict[str, list[tuple[int, str]]] = {}
    for table in tables:
        for member in table.members:
            matched = re.fullmatch(r"([a-z]+)(\d+)", member.rsplit("/", 1)[-1])
            if matched and member.startswith(MADE) and site_of(member) == site:
                found.setdefault(matched[1], []).append((int(matched[2]), table.name))
    scale, blocks, cells = (
        tuple(name for _, name in sorted(found.get(label, []))) for label in ("scale", "blocks", "cells")
    )
    if len(scale) < levels or len(blocks) != levels - 1 or len(cells) != 1:
        return None
    return Members(scale[len(scale) - levels :], cells[0], blocks)  # rows that are scaled come before
