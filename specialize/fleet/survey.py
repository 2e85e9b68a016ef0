"""Look at a fleet's vehicles, chunk by chunk: a table's as arrays wherever that gives the same, others one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.load import load_profile
from specialize.calibration.many import Alike
from specialize.calibration.off import off_name
from specialize.calibration.off_many import is_bare, off_in, without_many
from specialize.calibration.table import GROUP, Vehicles, place_of
from specialize.calibration.table_many import Group, read_alike
from specialize.digest import digest
from specialize.digests import Digests, Form, as_bytes, as_text
from specialize.errors import InputError, SpecializeError
from specialize.fleet.footprint import Admission, Cover, Footprint, Ints, Survey, words_of
from specialize.fleet.footprints import Footprints, column_of
from specialize.fleet.load import CHUNK, Failed
from specialize.fleet.median import Floats, Measured, Shape, measure, measure_many, shape_of
from specialize.fleet.subsets import NO_SUBSETS, Subsets, require_missing
from specialize.model.many import RigOfMany, arrays_of_many, feeds_many, rig_of_many
from specialize.plausibility.many import surely_fit, surely_fit_without
from specialize.visibility.many import can_see_many, plan_digests, see_many


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of a fleet's vehicles, one after another.

    Attributes:
        start: Place of the first one in the fleet.
        paths: Their profiles; empty if they are a group of a table.
        table: The table.
        count: Number of rows of the group.
    """

    start: int
    paths: tuple[Path, ...] = ()
    table: Path | None = None
    count: int = 0

    @property
    def length(self) -> int:
        """Number of vehicles."""
        return self.count or len(self.paths)

    def path_of(self, name: str | None) -> Path:
        """Return the path of a row of its table; one without a name has that of the table, which is no profile."""
        assert self.table is not None, "other chunks have paths"
        return self.table if name is None else place_of(self.table, name)


@dataclass(frozen=True, slots=True, eq=False)
class Surveyed:
    """Vehicles of one shape.

    Attributes:
        shape: What they have in common.
        footprints: What each makes a build compute.
        values: (V, N, 12 or more) the rows of `Measured`.
        bits: (V, N, W) uint64, the reach as covers of `EnvelopeSpace`; None where only numbers are wanted.
    """

    shape: Shape
    footprints: Footprints
    values: Floats
    bits: Cover | None


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a chunk.

    Attributes:
        parts: Its vehicles by their shapes.
        failed: By their places those that cannot be used.
        degraded: Its vehicles with cameras off, if these are asked for.
    """

    parts: tuple[Surveyed, ...]
    failed: tuple[tuple[int, Failed], ...]
    degraded: tuple[Footprints, ...] = ()


def chunks_of(files: Sequence[Path]) -> list[Chunk]:
    """Return a fleet in chunks."""
    if isinstance(files, Vehicles):
        starts = range(0, len(files), GROUP)
        return [Chunk(start, table=files.table, count=min(GROUP, len(files) - start)) for start in starts]
    return [Chunk(start, tuple(files[start : start + CHUNK])) for start in range(0, len(files), CHUNK)]


@dataclass(frozen=True, slots=True)
class SurveyChunk:
    """Surveys the vehicles of a chunk whose calibration fits the model; runs in other processes.

    A vehicle is used only if it and its rigs with cameras off all fit.

    Attributes:
        admission: How one is looked at.
        subsets: Which rigs with cameras off are looked at as well.
    """

    admission: Admission
    subsets: Subsets = NO_SUBSETS

    def __call__(self, chunk: Chunk) -> Found:
        """Return what the vehicles make a build compute."""
        parts: list[Surveyed] = []
        degraded: list[Footprints] = []
        groups, alone = split(chunk)
        for alike, places in groups:
            part, further, taken = together(self.admission, alike, places, self.subsets)
            parts += part
            degraded += further
            alone += [(int(places[row]), chunk.path_of(alike.names[row])) for row in np.flatnonzero(~taken)]
        alone.sort()
        single, further, failed = self._one_by_one(alone)
        return Found(tuple(_by_shape([*parts, *single])), tuple(failed), (*degraded, *further))

    def _one_by_one(
        self, places: list[tuple[int, Path]]
    ) -> tuple[list[Surveyed], list[Footprints], list[tuple[int, Failed]]]:
        found: list[Surveyed] = []
        degraded: list[Footprints] = []
        failed: list[tuple[int, Failed]] = []
        for place, path in places:
            try:
                profile = load_profile(path)
                one = _surveyed(place, self.admission(path, profile), measure(profile))
                further = [
                    (self.subsets.place(place, number), self.admission.without(path, profile, missing))
                    for number, missing in require_missing(profile, self.subsets.most)
                ]
            except SpecializeError as error:
                failed.append((place, Failed(path, str(error))))
                continue
            found.append(one)
            degraded += [column_of(further)] if further else []
        return found, degraded, failed


def group_of(chunk: Chunk) -> Group | None:
    """Return the rows of a chunk that is a group of a table; None if they are damaged, or not those of one group."""
    if chunk.table is None:
        return None
    try:
        group = read_alike(chunk.table, chunk.start // GROUP)
    except InputError:
        return None
    return group if len(group.names) == chunk.count else None


def split(chunk: Chunk) -> tuple[list[tuple[Alike, Ints]], list[tuple[int, Path]]]:
    """Return the vehicles of a chunk: those that are alike, with their places; and those to be read one by one."""
    group = group_of(chunk)
    if group is not None:
        others = [(chunk.start + int(row), chunk.path_of(group.names[row])) for row in group.others]
        return [(alike, chunk.start + rows) for alike, rows in group.parts], others
    if chunk.table is None:
        return [], [(chunk.start + index, path) for index, path in enumerate(chunk.paths)]
    files = Vehicles(chunk.table)
    return [], [(place, files[place]) for place in range(chunk.start, chunk.start + chunk.count)]


def _surveyed(place: int, one: Footprint, measured: Measured) -> Surveyed:
    bits = None if one.bits is None else one.bits[None]
    return Surveyed(measured.shape, column_of([(place, one)]), measured.values[None], bits)


def _by_shape(parts: Sequence[Surveyed]) -> Iterator[Surveyed]:
    """Yield the vehicles of each shape together, in the order of their places."""
    shapes = list(dict.fromkeys(part.shape for part in parts))
    for shape in shapes:
        same = [part for part in parts if part.shape == shape]
        columns = [part.footprints for part in same]
        places = np.concatenate([part.places for part in columns])
        order = np.argsort(places)
        names = ("places", "names", "digests", "own", "reach", "fan_in")
        whole = [np.concatenate([getattr(part, name) for part in columns])[order] for name in names]
        bits = [part.bits for part in same if part.bits is not None]
        yield Surveyed(
            shape,
            Footprints(columns[0].cameras, *whole),
            np.concatenate([part.values for part in same])[order],
            np.concatenate(bits)[order] if bits else None,
        )


def together(
    admission: Admission, alike: Alike, places: Ints, subsets: Subsets = NO_SUBSETS
) -> tuple[list[Surveyed], list[Footprints], NDArray[np.bool_]]:
    """Return vehicles that surely fit the model, surveyed at once, their rigs with cameras off, and a mask (V,)."""
    survey = admission.survey
    spec = survey.spec
    none = np.zeros(len(alike), bool)
    grids = [grid.grid() for grid in spec.grids]
    if survey.certified or not feeds_many(spec, alike) or not all(map(can_see_many, grids)):
        return [], [], none
    if subsets.most and (alike.cameras <= subsets.most or is_bare(alike) or not grids):
        return [], [], none
    fit = surely_fit(rig_of_many(spec, alike), spec, admission.allow)
    rigs = [
        (number, missing, without_many(alike, missing)) for number, missing in subsets.by_place(alike.cameras)
    ]
    if rigs:
        fit &= ~off_in(alike).any(axis=1)
    for _, missing, rig in rigs:
        fit &= surely_fit_without(rig_of_many(spec, rig), spec, admission.allow, missing)
    if not fit.any():
        return [], [], none
    some, at = alike.some(fit), places[fit]
    footprints, bits = _footprints(survey, some, at)
    degraded = [
        _degraded(admission, rig.some(fit), subsets.place(at, number), missing)
        for number, missing, rig in rigs
    ]
    return [Surveyed(shape_of(some.example), footprints, measure_many(some), bits)], degraded, fit


def _degraded(admission: Admission, rig: Alike, places: Ints, missing: Sequence[int]) -> Footprints:
    """Return V vehicles of which the cameras at some places are off."""
    names = rig.example.camera_names()
    off = tuple(names[index] for index in missing)
    footprints, _ = _footprints(admission.numbers(), rig, places)
    renamed = np.array([off_name(name, off) for name in rig.names], object)
    return dataclasses.replace(footprints, names=renamed)


def _footprints(survey: Survey, alike: Alike, places: Ints) -> tuple[Footprints, Cover | None]:
    """Return the footprints of V vehicles; those with equal matrices are looked at once."""
    spec = survey.spec
    rig = rig_of_many(spec, alike)
    calibration = _calibrations(rig, survey)
    keys = calibration.view(np.dtype((np.void, 32)))[:, 0]
    _, first, back = np.unique(keys, return_index=True, return_inverse=True)
    sizes, rule = spec.sizes_px(alike.cameras), spec.visibility_rule()
    grids = [grid.grid() for grid in spec.grids]
    seen = [see_many(rig.network_from_lidar[first], sizes, grid, rule) for grid in grids]
    plans = [plan_digests(one, sizes, grid, rule) for one, grid in zip(seen, grids, strict=True)]
    none = np.zeros((len(first), 0, alike.cameras), np.int64)  # of a model without grids
    own, reach = none, none
    fan_in = np.max([np.zeros(len(first), np.int64), *(one.fan_in() for one in seen)], axis=0)
    if seen:
        own = np.stack([one.lengths() for one in seen], axis=1)
        reach = np.stack([one.reach_lengths() for one in seen], axis=1)
    bits = np.concatenate([words_of(one.reach) for one in seen], axis=2)[back] if survey.with_bits else None
    digests = np.stack([alike.digests, _of_all(plans, len(first))[back], calibration], axis=1)
    columns = [each[back].astype(np.int32) for each in (own, reach, fan_in)]
    return Footprints(alike.example.camera_names(), places, alike.names, digests, *columns), bits


def _calibrations(rig: RigOfMany, survey: Survey) -> Digests:
    """Return the digests (V, 32) of what the model is fed."""
    arrays = arrays_of_many(survey.spec, rig)
    names, shape = tuple(arrays), rig.network_from_lidar.shape[1:]
    form = Form(lambda *each: dict(zip(names, each, strict=True)), *[shape] * len(names))
    return form.digests(len(rig.network_from_lidar), *arrays.values())


def _of_all(plans: list[Digests], count: int) -> Digests:
    """Return the digests (V, 32) of the visible sets of all grids, as `plans_digest` does."""
    if len(plans) == 1:
        return plans[0]
    if not plans:
        return np.zeros((count, 32), np.uint8)
    texts = (digest([as_text(plan[index]) for plan in plans]) for index in range(count))
    return np.frombuffer(b"".join(map(as_bytes, texts)), np.uint8).reshape(-1, 32)
