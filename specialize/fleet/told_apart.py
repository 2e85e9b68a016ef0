"""The kinds of a whole fleet, told apart before its vehicles are put into groups.

Up to `SAMPLED` vehicles every one takes part in telling. In a larger fleet a sample does, evenly spread over the fleet;
each vehicle then is of the kind whose median is nearest. Those that are farther from it than a kind reaches are kept
apart until all are known, and kinds among them are told as well: a kind too rare for the sample is a kind all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from specialize.fleet.footprint import Ints
from specialize.fleet.kinds import FEWEST, SPREADS, distances, kinds_of, pinholes
from specialize.fleet.median import Floats, Shape

SAMPLED = 2048
APART = -1
"""Number of the kind of a vehicle that is far from all kinds."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """The kinds of one shape: their medians (K, N, 12 or more), how far each reaches (K,), and their numbers (K,)."""

    medians: Floats
    reach: Floats
    numbers: Ints


@dataclass(slots=True, eq=False)
class Telling:
    """Tells the kinds of vehicles as they come.

    Attributes:
        sampled: Whether the kinds are told from a sample, so that a vehicle may be of none of them.
    """

    sampled: bool
    _known: dict[Shape, _Kinds] = field(default_factory=dict)
    _far: dict[Shape, list[tuple[Ints, Floats]]] = field(default_factory=dict)
    _count: int = 0

    @classmethod
    def of(cls, measured: Iterable[tuple[Shape, Floats]], sampled: bool) -> Telling:
        """Return what tells vehicles like some apart, from rows (V, N, 12 or more) of each shape."""
        found = cls(sampled)
        by_shape: dict[Shape, list[Floats]] = {}
        for shape, values in measured:
            by_shape.setdefault(shape, []).append(values)
        for shape, parts in by_shape.items():
            values = np.concatenate(parts)
            found._add(shape, values, kinds_of(values, pinholes(shape)))
        return found

    def _add(self, shape: Shape, values: Floats, medians: Floats) -> None:
        far = _distances(shape, values, medians)
        nearest = far.argmin(axis=0)
        spreads = [
            np.median(far[kind, nearest == kind]) if (nearest == kind).any() else 0.0
            for kind in range(len(far))
        ]
        reach = np.maximum(1.0, 2 * SPREADS * np.array(spreads))
        numbers = np.arange(self._count, self._count + len(medians))
        self._count += len(medians)
        if shape in self._known:
            known = self._known[shape]
            medians = np.concatenate([known.medians, medians])
            reach, numbers = np.concatenate([known.reach, reach]), np.concatenate([known.numbers, numbers])
        self._known[shape] = _Kinds(medians, reach, numbers)

    def kinds(self, shape: Shape, places: Ints, values: Floats) -> Ints:
        """Return the kinds (V,) of vehicles of one shape, `APART` for those that are of none so far."""
        if shape not in self._known:
            self._far.setdefault(shape, []).append((places, values))
            return np.full(len(places), APART)
        found, apart = self._nearest(shape, values)
        if self.sampled and apart.any():
            self._far.setdefault(shape, []).append((places[apart], values[apart]))
            found[apart] = APART
        return found

    def _nearest(self, shape: Shape, values: Floats) -> tuple[Ints, np.ndarray]:
        """Return the nearest kinds (V,), and which vehicles (V,) these do not reach."""
        known = self._known[shape]
        far = _distances(shape, values, known.medians)
        nearest = far.argmin(axis=0)
        return known.numbers[nearest], far.min(axis=0) > known.reach[nearest]

    def rest(self) -> tuple[Ints, Ints]:
        """Return the places (A,) of those that were kept apart, and what kinds (A,) they are of."""
        places, kinds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for shape, parts in self._far.items():
            values = np.concatenate([part for _, part in parts])
            medians = kinds_of(values, pinholes(shape))
            if shape in self._known:
                agreeing = (_distances(shape, values, medians) <= 1).sum(axis=1)
                medians = medians[agreeing >= FEWEST]
            if len(medians):
                self._add(shape, values, medians)
            places.append(np.concatenate([part for part, _ in parts]))
            kinds.append(self._nearest(shape, values)[0])
        return np.concatenate(places), np.concatenate(kinds)


def _distances(shape: Shape, values: Floats, medians: Floats) -> Floats:
    """Return how far each of V vehicles is from each of K medians, (K, V)."""
    return np.stack([distances(values, median, pinholes(shape)) for median in medians])
