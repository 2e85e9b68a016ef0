"""Find what the cameras of many vehicles see of one grid, as bits, without visiting the points.

The spans of every row are those of one vehicle's plan, computed for all vehicles at once. A span becomes bits by a
look-up, `prefix[stop] ^ prefix[start]`, and the heights of a pillar are joined by OR. Only the few points that rounding
decides are looked at one by one. So every set here equals the one in a `VisibilityPlan`, bit for bit.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.digest import canonical
from specialize.digests import Digests, sha256_each
from specialize.visibility.grid import Bools, Floats, Ints, QueryGrid, VisibilityRule
from specialize.visibility.plan import plan_content
from specialize.visibility.projection import Straight
from specialize.visibility.spans import between, rounding_slack, row_spans

Bits = npt.NDArray[np.uint8]

ROWS_AT_ONCE = 1 << 16
"""Rows of all heights and cameras that are computed together: what they need should stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenByMany:
    """The visible sets of V vehicles with N cameras over Q queries.

    Attributes:
        reach: (V, N, Q / 8) uint8, every pair that a graph's own mask may keep, the first query in the highest bit.
        borderline: (B, 3) int64, vehicle, camera and query, sorted: pairs that the graph's rounding decides.
        unseen: (B,) bool, which of them are not seen by exact arithmetic.
    """

    reach: Bits
    borderline: Ints
    unseen: Bools

    def seen(self) -> Bits:
        """Return (V, N, Q / 8), the pairs that are seen by exact arithmetic."""
        found = self.reach.copy()
        vehicle, camera, query = self.borderline[self.unseen].T
        np.bitwise_and.at(found, (vehicle, camera, query // 8), ~(128 >> query % 8).astype(np.uint8))
        return found

    def reach_lengths(self) -> Ints:
        """Return (V, N): queries that each camera may see."""
        return np.asarray(np.bitwise_count(self.reach).sum(axis=-1, dtype=np.int64))

    def lengths(self) -> Ints:
        """Return (V, N): queries that each camera sees."""
        found = self.reach_lengths()
        vehicle, camera, _ = self.borderline[self.unseen].T
        np.subtract.at(found, (vehicle, camera), 1)
        return found

    def fan_in(self) -> Ints:
        """Return (V,): most cameras that may see one query."""
        return most_at_once(self.reach)


def can_see_many(grid: QueryGrid) -> bool:
    """Whether the queries of a grid are numbered row by row, as this module needs."""
    return grid.is_usual


def see_many(
    image_from_lidar: Floats, size_px: npt.NDArray[np.generic], grid: QueryGrid, rule: VisibilityRule
) -> SeenByMany:
    """Return what the cameras of V vehicles see.

    Args:
        image_from_lidar: (V, N, 4, 4) float64, lidar frame (m) to network pixels, finite.
        size_px: (N, 2), width and height of the network's images.
        grid: The queries; `can_see_many` is true of it.
        rule: When a point is seen.
    """
    vehicles, cameras = image_from_lidar.shape[:2]
    reach = np.empty((vehicles, cameras, -(-grid.queries // 8)), np.uint8)
    borderline, unseen = [np.zeros((0, 3), np.int64)], [np.zeros(0, bool)]
    step = max(1, ROWS_AT_ONCE // (cameras * grid.count("z") * grid.count("y")))
    for start in range(0, vehicles, step):
        part = image_from_lidar[start : start + step].reshape(-1, 4, 4)
        sizes = np.tile(np.asarray(size_px, np.int64), (len(part) // cameras, 1))
        bits, pairs, missed = _rows(Straight(part, sizes), grid, rule)
        reach[start : start + step] = bits.reshape(-1, cameras, bits.shape[-1])
        places = np.column_stack([start + pairs[:, 0] // cameras, pairs[:, 0] % cameras, pairs[:, 1]])
        borderline.append(places)
        unseen.append(missed)
    return SeenByMany(reach, np.concatenate(borderline), np.concatenate(unseen))


def plan_digests(
    found: SeenByMany, size_px: npt.NDArray[np.generic], grid: QueryGrid, rule: VisibilityRule
) -> Digests:
    """Return the digests (V, 32) that the plans of V vehicles have."""
    whole = canonical(
        plan_content(grid, rule, np.asarray(size_px, np.int64), "seen pairs", "borderline pairs")
    )
    start, rest = whole.split(canonical("borderline pairs"))  # keys are sorted
    middle, end = rest.split(canonical("seen pairs"))
    pairs = each_vehicle(found.borderline, len(found.reach))
    return sha256_each(
        [
            b"".join((start, canonical(np.ascontiguousarray(pair)), middle, canonical(bits), end))
            for pair, bits in zip(pairs, found.seen(), strict=True)
        ]
    )


def _rows(cameras: Straight, grid: QueryGrid, rule: VisibilityRule) -> tuple[Bits, Ints, Bools]:
    """Return for M cameras the reach (M, Q / 8), borderline pairs (B, 2), and which of these are not seen (B,)."""
    functionals = rule.functionals(cameras.image_from_lidar, cameras.size_px)
    slack = rounding_slack(cameras.image_from_lidar, cameras.size_px, grid, rule)
    inner, outer = (row_spans(functionals, bound, grid) for bound in (slack, -slack))
    columns, pillars = grid.count("x"), len(grid.shape) == 2
    point = between(inner, outer, columns)  # (P, 4): camera, height, row, column
    row = point[:, 2] if pillars else point[:, 1] * grid.count("y") + point[:, 2]
    if pillars:
        settled = _covers(inner, point)
        point, row = point[~settled], row[~settled]
    pairs, which = np.unique(
        point[:, 0] * grid.queries + row * columns + point[:, 3], return_inverse=True
    )  # (B,), (P,)
    seen = np.zeros(len(pairs), bool)
    seen[which[cameras.decide(point, grid, rule)]] = True
    return bits_of(*outer, columns, pillars), np.column_stack(np.divmod(pairs, grid.queries)), ~seen


def _covers(spans: tuple[Ints, Ints], point: Ints) -> Bools:
    """Return which points (P, 4) are inside a span of any height, in their camera, row and column."""
    camera, _, row, column = point.T
    start, stop = (bound[camera, :, row] for bound in spans)  # (P, heights) each
    return np.asarray(((start <= column[:, None]) & (column[:, None] < stop)).any(axis=1))


def bits_of(start: Ints, stop: Ints, columns: int, joined: bool) -> Bits:
    """Return the queries in spans (M, heights, H) as bits, (M, Q / 8).

    Args:
        start: First column.
        stop: Last column plus one; a span with `start >= stop` is empty.
        columns: Columns of a row.
        joined: Whether the heights of a place are one query, not one each.
    """
    if not joined:
        start, stop = (bound.reshape(len(bound), 1, -1) for bound in (start, stop))
    prefix = _prefixes(columns)
    stop = np.maximum(start, stop)
    rows = np.zeros(
        (start.shape[0], start.shape[2], prefix.shape[1]), prefix.dtype
    )  # (M, rows, bytes or columns)
    for height in range(start.shape[1]):
        last, first = (np.take(prefix, bound[:, height], axis=0) for bound in (stop, start))
        rows |= np.bitwise_xor(last, first, out=last)
    whole = rows.reshape(len(rows), -1)
    return np.packbits(whole, axis=1) if columns % 8 else whole


@functools.lru_cache(maxsize=8)
def _prefixes(columns: int) -> Bits:
    """Return (columns + 1, ...): rows whose first k columns are 1, as bits where rows are whole bytes."""
    ones = np.tri(columns + 1, columns, -1, dtype=np.uint8)
    return ones if columns % 8 else np.packbits(ones, axis=1)


def most_at_once(bits: Bits) -> Ints:
    """Return (V,): of sets (V, N, B), how many at most share an element.

    The sets are counted as a column of binary digits: a carry goes to the next digit.
    """
    digits: list[Bits] = []
    for index in range(bits.shape[1]):
        carry = bits[:, index]
        for place, digit in enumerate(digits):
            digits[place], carry = digit ^ carry, digit & carry
        if index & (index + 1) == 0:
            digits.append(carry)
    left, most = np.full_like(bits[:, 0], 255), np.zeros(len(bits), np.int64)
    for place, digit in reversed(list(enumerate(digits))):
        highest = left & digit
        some = np.asarray(highest.any(axis=1))
        left = np.where(some[:, None], highest, left)
        most += some.astype(np.int64) << place
    return most


def each_vehicle(pairs: Ints, count: int) -> Iterator[Ints]:
    """Yield for each of `count` vehicles its pairs (B, 2) of sorted (., 3)."""
    ends = np.searchsorted(pairs[:, 0], np.arange(count + 1))
    for start, stop in itertools.pairwise(ends):
        yield pairs[start:stop, 1:]
