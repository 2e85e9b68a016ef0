"""Gating: which rows count, where that is known at run time only.

A re-batched model computes the rows that a camera sees and no others. Computed for all rows that it may ever see, those
that it does not see today must not count: each row that is summed is multiplied by today's mask of its pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.rows.rowmap import RowMap

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """Today's mask of the pairs of one grid.

    Attributes:
        value: (1, N * Q + 1, 1) float, one where a camera sees a query; the last one is one.
        pairs: (N, Q) the pairs that are computed.
    """

    value: ir.Value
    pairs: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Gating:
    """A gate, and which camera's row stands at each place.

    Attributes:
        gate: The value of the gate.
        queries: Q.
        cameras: (places,) camera of every place; -1 for rows that always count.
        always: Place in the gate that is one.
    """

    gate: ir.Value
    queries: int
    cameras: Ints
    always: int

    def pairs(self, sources: Ints) -> Ints:
        """Return the pair of every entry of a table of places (rows, fan-in); a place beyond the last is no pair."""
        known = np.append(self.cameras, -1)
        camera = known[np.minimum(sources, len(self.cameras))]
        row = np.arange(len(sources))[:, None]
        return np.where(camera < 0, self.always, camera * self.queries + row)


def find_gating(gates: Sequence[Gate], lengths: Sequence[tuple[int, ...]], places: RowMap) -> Gating | None:
    """Return the gate of rows that are summed per query: the one for whose pairs they were computed.

    Args:
        gates: One per grid.
        lengths: Of every tensor of places, the places per group.
        places: Which places each row sums.
    """
    sizes = np.array([length for each in lengths for length in each], dtype=np.int64)
    group_of_place = np.repeat(np.arange(len(sizes)), sizes)
    entries = places.matrix.tocoo()
    for gate in gates:
        cameras, queries = gate.pairs.shape
        if places.rows_out != queries:
            continue
        read = np.zeros((len(sizes), queries), dtype=np.bool_)
        read[group_of_place[entries.col], entries.row] = True
        camera_of_group = _matched(read, gate.pairs)
        if (camera_of_group >= 0).any():
            return Gating(gate.value, queries, camera_of_group[group_of_place], cameras * queries)
    return None


def _matched(read: Bools, pairs: Bools) -> Ints:
    """Return the camera whose pairs each group reads, in order; -1 for groups that read something else."""
    found = np.full(len(read), -1, dtype=np.int64)
    free = [camera for camera in range(len(pairs)) if pairs[camera].any()]
    for group, queries in enumerate(read):
        match = next((camera for camera in free if np.array_equal(pairs[camera], queries)), None)
        if match is not None:
            found[group] = match
            free.remove(match)
    return found
