"""Compute the costs of multi-scale deformable cross-attention by closed formulas, to check the counts against.

Written from the mathematics, not from the operators: rows are camera-query pairs, a multiply-add counts as two.
"""

from __future__ import annotations

from dataclasses import dataclass

_PER_POINT = 2 * 2 + 14  # un-normalise two coordinates, then floor, weights and bounds of four corners


@dataclass(frozen=True, slots=True)
class DeformableSite:
    """One deformable attention over N cameras.

    Attributes:
        queries: Queries Q of the grid.
        channels: Channels C.
        heads: Heads M.
        levels: Feature levels L.
        points: Sampling points P per head and level.
        positions: Pixels of all levels of one camera.
        cameras: Cameras N.
    """

    queries: int
    channels: int
    heads: int
    levels: int
    points: int
    positions: int
    cameras: int

    def samples(self, rows: int) -> int:
        """Return the points that `rows` pairs sample."""
        return rows * self.heads * self.levels * self.points

    def value_projection(self) -> int:
        """Return the operations of the value projection: `N * positions * C * C` multiply-adds and a bias."""
        return self.cameras * self.positions * self.channels * (2 * self.channels + 1)

    def offsets_and_weights(self, rows: int) -> int:
        """Return the operations of both projections of the query: C x (2 + 1) per point, biases, softmax."""
        return self.samples(rows) * (3 * (2 * self.channels + 1) + 5)

    def locations(self, rows: int) -> int:
        """Return the operations of the locations: offset / size + reference, to [-1, 1], two axes."""
        return self.samples(rows) * 2 * 4

    def sampling(self, rows: int) -> int:
        """Return the operations of sampling four corners and of the weighted sum over points."""
        per_head = self.channels // self.heads
        return self.samples(rows) * (2 * 5 * per_head + _PER_POINT)

    def sum_back(self, rows: int) -> int:
        """Return the operations of adding the rows of a query and multiplying by 1 / count."""
        return rows * self.channels + self.queries * self.channels

    def output_projection(self) -> int:
        """Return the operations of the output projection, once per query."""
        return self.queries * self.channels * (2 * self.channels + 1)

    def flops(self, rows: int, projected: int | None = None) -> int:
        """Return the operations of the whole site when `rows` pairs are computed.

        Args:
            rows: Pairs of camera and query.
            projected: Rows from which offsets and weights are projected: the queries where they are fewer than
                the pairs, because a projection and a choice of rows may change places; `rows` without it.
        """
        return (
            self.value_projection()
            + self.offsets_and_weights(rows if projected is None else projected)
            + self.locations(rows)
            + self.sampling(rows)
            + self.sum_back(rows)
            + self.output_projection()
        )
