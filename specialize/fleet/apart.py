"""How far vehicles are from the medians of their kinds, chunk by chunk: a table's as arrays, others one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.delta import compare
from specialize.calibration.delta_many import compare_many
from specialize.calibration.load import load_profile
from specialize.calibration.many import Alike
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import SpecializeError
from specialize.fleet.footprint import Ints
from specialize.fleet.grown import in_order
from specialize.fleet.kinds import nearest, pinholes
from specialize.fleet.load import Failed
from specialize.fleet.median import Floats, Measured, Shape, measure, measure_many, shape_of
from specialize.fleet.outliers import LEAST
from specialize.fleet.survey import Chunk, split
from specialize.model.many import feeds_many, rig_of_many
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.visibility.delta import compare_plans
from specialize.visibility.many import can_see_many, see_many
from specialize.visibility.plan import VisibilityPlan

MOVED = (*LEAST, "shift_px_10m", "shift_px_20m")
COLUMNS = (*MOVED, "gained", "lost")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of vehicles: cameras, their median rows (N, 12 or more), and that as a profile."""

    shape: Shape
    centre: Floats
    median: CalibrationProfile


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Vehicles of one kind.

    Attributes:
        kind: Which kind.
        places: (V,) their places in the fleet.
        values: (V, N, 8) the columns of `COLUMNS`; NaN where there is no such number.
    """

    kind: int
    places: Ints
    values: Floats


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of a chunk: its vehicles by their kinds, and those that cannot be compared."""

    parts: tuple[Distances, ...]
    failed: tuple[tuple[int, Failed], ...]


@dataclass(slots=True, eq=False)
class CompareChunk:
    """Compares vehicles with the medians of their kinds, the nearest ones; runs in other processes.

    Attributes:
        kinds: The kinds.
        spec: The model whose queries are counted; None for none.
    """

    kinds: Sequence[Kind]
    spec: ModelSpec | None
    _plans: dict[int, tuple[VisibilityPlan, ...]] = field(default_factory=dict)

    def __call__(self, task: tuple[Chunk, frozenset[int]]) -> Compared:
        """Return the distances of the vehicles of a chunk, but those at some places."""
        chunk, without = task
        parts: list[Distances] = []
        failed: list[tuple[int, Failed]] = []
        groups, alone = split(chunk)
        for alike, places in groups:
            if self._counts(alike):
                parts += self._together(alike, places)
            else:
                alone += [(int(place), chunk.path_of(alike.names[row])) for row, place in enumerate(places)]
        for place, path in sorted(alone):
            if place in without:
                continue
            try:
                parts.append(self._one(place, load_profile(path)))
            except SpecializeError as error:
                failed.append((place, Failed(path, str(error))))
        return Compared(tuple(_by_kind(parts)), tuple(failed))

    def _counts(self, alike: Alike) -> bool:
        """Whether the queries of vehicles, if they are asked for, can be counted at once."""
        spec = self.spec
        return spec is None or (
            feeds_many(spec, alike) and all(can_see_many(grid.grid()) for grid in spec.grids)
        )

    def _together(self, alike: Alike, places: Ints) -> Iterator[Distances]:
        kinds = self._kinds_of(shape_of(alike.example), measure_many(alike))
        for kind in np.unique(kinds):
            which = np.flatnonzero(kinds == kind)
            some = alike.some(which)
            moved = compare_many(self.kinds[kind].median, some)
            values = np.concatenate([moved, self._queries_of_many(int(kind), some)], axis=2)
            yield Distances(int(kind), places[which], values)

    def _one(self, place: int, profile: CalibrationProfile) -> Distances:
        one: Measured = measure(profile)
        kind = int(self._kinds_of(one.shape, one.values[None])[0])
        delta = compare(self.kinds[kind].median, profile)
        rows = [[_number(getattr(camera, name)) for name in MOVED] for camera in delta.cameras]
        values = np.concatenate([np.array(rows), self._queries(kind, profile)], axis=1)
        return Distances(kind, np.array([place], np.int64), values[None])

    def _kinds_of(self, shape: Shape, values: Floats) -> NDArray[np.intp]:
        """Return the kinds (V,) of vehicles of one shape, from their rows of `Measured`."""
        numbers = np.array([index for index, kind in enumerate(self.kinds) if kind.shape == shape])
        centres = np.stack([self.kinds[index].centre for index in numbers])
        return np.asarray(numbers[nearest(values, centres, pinholes(shape))])

    def _median_plans(self, kind: int) -> tuple[VisibilityPlan, ...]:
        assert self.spec is not None
        if kind not in self._plans:
            self._plans[kind] = visible_sets(self.spec, self.kinds[kind].median)
        return self._plans[kind]

    def _queries(self, kind: int, profile: CalibrationProfile) -> Floats:
        """Return (N, 2): queries gained and lost against the median, over all grids; NaN without a model."""
        if self.spec is None:
            return np.full((len(profile.cameras), 2), np.nan)
        changes = [
            [(len(change.gained), len(change.lost)) for change in compare_plans(before, after).cameras]
            for before, after in zip(self._median_plans(kind), visible_sets(self.spec, profile), strict=True)
        ]
        return np.asarray(np.array(changes, np.float64).reshape(-1, len(profile.cameras), 2).sum(axis=0))

    def _queries_of_many(self, kind: int, alike: Alike) -> Floats:
        """Return (V, N, 2), as `_queries` does for each."""
        spec = self.spec
        if spec is None:
            return np.full((len(alike), alike.cameras, 2), np.nan)
        found = np.zeros((len(alike), alike.cameras, 2))
        rig, sizes = rig_of_many(spec, alike), spec.sizes_px(alike.cameras)
        for plan, grid in zip(self._median_plans(kind), spec.grids, strict=True):
            before = np.packbits(plan.seen, axis=1)  # (N, Q / 8)
            seen = see_many(rig.network_from_lidar, sizes, grid.grid(), spec.visibility_rule()).seen()
            for column, more in enumerate((seen & ~before, before & ~seen)):
                found[..., column] += np.bitwise_count(more).sum(axis=-1)
        return found


def _by_kind(parts: Sequence[Distances]) -> Iterator[Distances]:
    """Yield the vehicles of each kind together, in the order of their places."""
    for kind in sorted({part.kind for part in parts}):
        same = [part for part in parts if part.kind == kind]
        yield Distances(kind, *in_order(same, "places", "values"))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
