"""Compute a VisibilityPlan: which queries each camera of one vehicle sees, and everything derived from it.

Computed in float64. The mask that the model's own graph computes, mostly in float32, is authoritative; if rounding
could make the two differ, the camera-query pair is listed as borderline. So `superset` holds every pair that the graph
may keep, and every pair of `seen` that is not borderline is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.digest import digest
from specialize.visibility.grid import UPRIGHT, Bools, Floats, Ints, QueryGrid, VisibilityRule
from specialize.visibility.projection import Projection, Straight

SCHEMA = "specialize/plan@1"
DEFAULT_RULE = VisibilityRule()


@dataclass(frozen=True, slots=True, eq=False)
class VisibilityPlan:
    """The visible sets of N cameras over Q queries; compared by digest.

    Attributes:
        projection: How the cameras map points to network pixels.
        grid: The queries.
        rule: When a point is seen.
        seen: (N, Q) bool, by exact arithmetic.
        borderline: (B, 2) int64, camera and query, sorted: pairs that the graph's rounding decides.
    """

    projection: Projection
    grid: QueryGrid
    rule: VisibilityRule
    seen: Bools
    borderline: Ints

    def __post_init__(self) -> None:
        for name in ("seen", "borderline"):
            array = getattr(self, name)
            array.flags.writeable = False

    @property
    def size_px(self) -> Ints:
        """Width and height of the network's images, padding included, (N, 2) int64."""
        return self.projection.size_px

    @property
    def lengths(self) -> Ints:
        """Queries seen by each camera, (N,) int64."""
        return np.asarray(self.seen.sum(axis=1, dtype=np.int64))

    @property
    def longest(self) -> int:
        """Queries seen by the camera that sees most."""
        return int(self.lengths.max())

    @property
    def pairs(self) -> int:
        """Visible pairs of camera and query."""
        return int(np.count_nonzero(self.seen))

    @property
    def count(self) -> Ints:
        """Number of cameras that see each query, (Q,) int64."""
        return np.asarray(self.seen.sum(axis=0, dtype=np.int64))

    @property
    def seen_by_k(self) -> tuple[int, ...]:
        """Number of queries seen by exactly k cameras, for k = 0..N."""
        return tuple(int(number) for number in np.bincount(self.count, minlength=len(self.seen) + 1))

    @property
    def query_ids(self) -> tuple[Ints, ...]:
        """Per camera the queries it sees, ascending, each (V,) int64."""
        return tuple(np.flatnonzero(row) for row in self.seen)

    @property
    def superset(self) -> Bools:
        """Every pair that the graph's own mask may keep, (N, Q) bool."""
        wide = self.seen.copy()
        wide[tuple(self.borderline.T)] = True
        return wide

    @property
    def certain(self) -> Bools:
        """Every pair that the graph's own mask surely keeps, (N, Q) bool."""
        narrow = self.seen.copy()
        narrow[tuple(self.borderline.T)] = False
        return narrow

    @property
    def digest(self) -> str:
        """Digest of the visible sets, the borderline pairs, the grid, the rule and the image sizes."""
        seen = np.packbits(self.seen, axis=1)
        return digest(plan_content(self.grid, self.rule, self.size_px, seen, self.borderline))

    def padded_ids(self, align: int = 1) -> Ints:
        """Return (N, L) int64 query ids, L the longest length rounded up to a multiple of `align`.

        Slots beyond a camera's length repeat its first visible query (query 0 if it sees none);
        `lengths` tells how many slots are in use.
        """
        longest = -(-self.longest // align) * align
        padded = np.zeros((len(self.seen), longest), np.int64)
        for row, ids in zip(padded, self.query_ids, strict=True):
            row[:] = ids[0] if len(ids) else 0
            row[: len(ids)] = ids
        return padded

    def reference_points(self) -> Floats:
        """Return (N, Q, D, 2) float64: where each point falls in the image, u / width and v / height.

        Points that a camera cannot see get a (meaningless, finite) place too.
        """
        scaled = self.projection.places(self.grid, self.rule)  # (N, 2, Z, Y, X)
        return np.moveaxis(self.grid.by_query(scaled), 1, -1)  # (N, 2, Q, D) -> (N, Q, D, 2)

    def points_seen(self) -> Bools:
        """Return (N, Q, D) bool: which points of each query are seen, by exact arithmetic."""
        lattice, doubtful = self.projection.lattice(self.grid, self.rule)
        lattice[tuple(doubtful.T)] = self.projection.decide(doubtful, self.grid, self.rule)
        return self.grid.by_query(lattice)


def plan_content(
    grid: QueryGrid, rule: VisibilityRule, size_px: Ints, seen: object, borderline: object
) -> dict[str, object]:
    """Return what the digest of a plan is of.

    Args:
        grid: The queries.
        rule: When a point is seen.
        size_px: (N, 2), width and height of the network's images.
        seen: (N, Q / 8) uint8, the visible pairs as bits.
        borderline: (B, 2) int64, camera and query.
    """
    return {
        "schema": SCHEMA,
        "grid": {"shape": grid.shape, "range_m": grid.range_m, "anchors": grid.anchors}
        | ({} if grid.is_usual else {"order": grid.order}),
        "rule": {"min_depth": rule.min_depth, "border": rule.border, "dtype": rule.dtype}
        | ({} if rule.domain == "angle" else {"domain": rule.domain}),
        "size_px": size_px,
        "seen": seen,
        "borderline": borderline,
    }


def plan_visibility(
    image_from_lidar: npt.ArrayLike,
    size_px: npt.ArrayLike,
    grid: QueryGrid,
    rule: VisibilityRule = DEFAULT_RULE,
) -> VisibilityPlan:
    """Compute what each camera sees whose image a matrix describes.

    Args:
        image_from_lidar: (N, 4, 4) float64, lidar frame (metres) to network pixels.
        size_px: (N, 2), width and height of the network's images, padding included.
        grid: The queries.
        rule: When a point is seen.

    Raises:
        InputError: The matrices or the sizes have the wrong shape, or hold numbers that cannot be.
    """
    return plan_of(Straight.of(image_from_lidar, size_px), grid, rule)


def plan_of(projection: Projection, grid: QueryGrid, rule: VisibilityRule = DEFAULT_RULE) -> VisibilityPlan:
    """Compute what each camera of a projection sees."""
    lattice, doubtful = projection.lattice(grid, rule)
    seen = _any_point(lattice, grid)
    pairs = np.column_stack([doubtful[:, 0], _query_of(doubtful, grid)])  # (B, 2)
    undecided = ~seen[tuple(pairs.T)]
    borderline = _distinct(pairs[undecided])
    inside = projection.decide(doubtful[undecided], grid, rule)
    seen[tuple(pairs[undecided][inside].T)] = True
    return VisibilityPlan(projection, grid, rule, seen, borderline)


def _distinct(pairs: Ints) -> Ints:
    """Return each pair (B, 2) once, in order; `np.unique` would import the masked arrays of numpy."""
    ordered = pairs[np.lexsort(pairs.T[::-1])]
    first = np.ones(len(ordered), bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return ordered[first]


def _any_point(lattice: Bools, grid: QueryGrid) -> Bools:
    """Reduce (N, Z, Y, X) points to (N, Q) queries: a pillar is seen if any of its points is."""
    if not grid.is_usual:
        return np.asarray(grid.by_query(lattice).any(axis=-1))
    if len(grid.shape) == 2:
        lattice = np.logical_or.reduce(lattice, axis=1)  # (N, H, W)
    return lattice.reshape(len(lattice), grid.queries)


def _query_of(position: Ints, grid: QueryGrid) -> Ints:
    """Return the flat query (B,) of lattice positions (B, 4): camera, and places on z, y and x."""
    places = [position[:, 1 + UPRIGHT.index(axis)] for axis in grid.axes_order]
    return np.asarray(np.ravel_multi_index(places, grid.shape), np.int64)
