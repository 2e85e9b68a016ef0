"""Which vehicles of a fleet may share a build, in which mode: surveyed once, told apart by kinds, put into groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.tolerance import parse_tolerance
from specialize.errors import InputError
from specialize.fleet.builds import FleetKind
from specialize.fleet.clustering import Cell, Cells, Limit, Steps, cluster
from specialize.fleet.footprint import (
    Admission,
    Cover,
    Ints,
    Packing,
    Survey,
    TablesSpace,
    envelope_space,
)
from specialize.fleet.footprints import Footprints, Gathered
from specialize.fleet.load import Failed
from specialize.fleet.median import Shape
from specialize.fleet.request import OWN_TOLERANCE, FleetRequest
from specialize.fleet.sampling import Crew, measured_sample
from specialize.fleet.subsets import Subsets, with_subsets
from specialize.fleet.survey import Found, SurveyChunk, chunks_of
from specialize.fleet.told_apart import APART, SAMPLED, Telling
from specialize.model.spec import ModelSpec
from specialize.request import Mode

# Where two modes need as many builds and rows: what runs fastest, then what needs least at run time.
PREFERENCE: tuple[Mode, ...] = ("exact", "tables", "envelope")


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Vehicles that share a build.

    Attributes:
        mode: How.
        rows: Which vehicles of their camera set, ascending.
        visible: (G, N) queries kept.
        cover: What the build computes; None of an exact one.
        steps: Vehicles, by their places, that made the cover grow, and by how much; None if that is not known.
    """

    mode: Mode
    rows: Ints
    visible: Ints
    cover: Cover | None = None
    steps: Steps | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Groups of vehicles with the same cameras; no plan has fewer than `at_least`."""

    found: Footprints
    groups: tuple[Group, ...]
    at_least: int


@dataclass(slots=True)
class CameraSet:
    """Vehicles with the same cameras in the same order; no others can share a build.

    Attributes:
        vehicles: All of them, those with cameras off among them.
        cells: Those of each kind in cells, by mode.
    """

    vehicles: Gathered
    cells: dict[tuple[Shape, int], dict[Mode, Cells]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FleetSurvey:
    """A fleet after all its vehicles were looked at.

    Attributes:
        sets: The vehicles by their cameras, each with the cells of every mode; those with cameras off are in no cell.
        kinds: The kinds of vehicles, the one with most vehicles first.
        kind_of: (F,) the number of the kind of the vehicle at each place, from 1; 0 for those that failed.
        failed: Profiles that could not be used.
    """

    sets: tuple[tuple[Footprints, dict[Mode, list[Cells]]], ...]
    kinds: tuple[FleetKind, ...]
    kind_of: Ints
    failed: tuple[Failed, ...]


def survey_of(request: FleetRequest, spec: ModelSpec) -> Survey:
    """Return how the vehicles of a fleet are looked at."""
    named = request.tolerance not in ("", OWN_TOLERANCE)
    return Survey(
        spec,
        with_bits=request.mode in ("envelope", "auto") and bool(spec.grids),
        certified=bool(request.tolerance),
        tolerance=parse_tolerance(request.tolerance) if named else None,
    )


def _modes(request: FleetRequest, spec: ModelSpec) -> tuple[Mode, ...]:
    if request.mode == "exact" or (request.mode == "auto" and not spec.grids):
        return ()
    if not spec.grids:
        hint = "add `grids:` to the sidecar, or use --mode exact"
        raise InputError(spec.name, "a grid of queries in its sidecar", "none", hint)
    return ("tables", "envelope") if request.mode == "auto" else (request.mode,)


def survey_fleet(request: FleetRequest, spec: ModelSpec, files: Sequence[Path], crew: Crew) -> FleetSurvey:
    """Return what each vehicle computes, and cells of vehicles by their cameras and kinds.

    Raises:
        InputError: No profile can be used, or two are of vehicles with one name.
    """
    limits = {mode: limit_of(request, spec, mode) for mode in _modes(request, spec)}
    subsets = Subsets(request.subsets, len(files))
    work = SurveyChunk(Admission(survey_of(request, spec), request.build.allow), subsets)
    telling, chunks = _told(crew.in_order(chunks_of(files), work), files, crew)
    sets: dict[tuple[str, ...], CameraSet] = {}
    failed: list[Failed] = []
    labels = np.full(len(files), APART, np.int64)
    for found in chunks:
        failed += [one for _, one in found.failed]
        for further in found.degraded:
            sets.setdefault(further.cameras, CameraSet(Gathered(further.cameras))).vehicles.add(further)
        for part in found.parts:
            columns = part.footprints
            kinds = telling.kinds(part.shape, columns.places, part.values)
            labels[columns.places] = kinds
            one = sets.setdefault(columns.cameras, CameraSet(Gathered(columns.cameras)))
            one.vehicles.add(columns)
            for kind in np.unique(kinds):
                which = np.flatnonzero(kinds == kind)
                by_mode = one.cells.setdefault(
                    (part.shape, int(kind)), {mode: Cells(limits[mode]) for mode in limits}
                )
                for mode, cells in by_mode.items():
                    covers = part.bits if mode == "envelope" else columns.reach
                    assert covers is not None
                    cells.add(columns.places[which], columns.own[which].astype(np.int64), covers[which])
    if not sets:
        raise InputError(str(request.folder), "a profile that can be used", "none", failed[0].reason)
    whole = [(one.vehicles.whole(), _by_mode(one.cells.values())) for one in sets.values()]
    require_names_once([(columns.places, columns.names) for columns, _ in whole], files)
    places, rest = telling.rest()
    labels[places] = rest
    told, kind_of = _numbered([columns for columns, _ in whole], labels)
    return FleetSurvey(tuple(whole), told, kind_of, tuple(failed))


def _told(chunks: Iterable[Found], files: Sequence[Path], crew: Crew) -> tuple[Telling, Iterable[Found]]:
    """Return what tells kinds apart, from all vehicles of a small fleet or a sample of a large one, and the chunks."""
    if len(files) > SAMPLED:
        return Telling.of(measured_sample(files, crew), sampled=True), chunks
    known = list(chunks)
    measured = [(part.shape, part.values) for found in known for part in found.parts]
    return Telling.of(measured, sampled=False), known


def _by_mode(cells: Iterable[dict[Mode, Cells]]) -> dict[Mode, list[Cells]]:
    found: dict[Mode, list[Cells]] = {}
    for one in cells:
        for mode, each in one.items():
            found.setdefault(mode, []).append(each)
    return found


def require_names_once(sets: Sequence[tuple[Ints, NDArray[np.object_]]], files: Sequence[Path]) -> None:
    """Refuse a second vehicle of the same name: a fleet's files name vehicles, not paths.

    Args:
        sets: Places and names (V,) of some vehicles each.
        files: The whole fleet.

    Raises:
        InputError: Two profiles are of vehicles with one name.
    """
    if len({name for _, names in sets for name in names}) == sum(len(places) for places, _ in sets):
        return
    named = sorted((int(place), name) for both in sets for place, name in zip(*both, strict=True))
    homes: dict[str, int] = {}
    for place, name in named:
        first = homes.setdefault(name, place)
        if first != place:
            hint = "give every vehicle its own name; --subsets has one for each of its rigs"
            here, there = files[place % len(files)], files[first % len(files)]
            raise InputError(f"{here}: vehicle", f"a name other than that of {there}", repr(name), hint)


def _numbered(sets: Sequence[Footprints], labels: Ints) -> tuple[tuple[FleetKind, ...], Ints]:
    """Return the kinds, largest first, and the number of every place's."""
    used = np.concatenate([columns.places for columns in sets])
    used = used[used < len(labels)]
    counts = np.bincount(labels[used])
    order = sorted(
        np.flatnonzero(counts).tolist(), key=lambda kind: (-counts[kind], _first(used, labels, kind))
    )
    numbers = np.zeros(len(labels), np.int64)
    kinds = []
    for number, kind in enumerate(order, start=1):
        first = _first(used, labels, kind)
        columns = next(one for one in sets if first in one.places)
        name = str(columns.names[columns.rows_of([first])[0]])
        kinds.append(FleetKind(kind=number, vehicles=int(counts[kind]), first=name, cameras=columns.cameras))
        numbers[used[labels[used] == kind]] = number
    return tuple(kinds), numbers


def _first(used: Ints, labels: Ints, kind: int) -> int:
    """Return the first place of a kind."""
    return int(used[labels[used] == kind].min())


def limit_of(request: FleetRequest, spec: ModelSpec, mode: Mode) -> Limit:
    """Return what the groups of a mode must keep."""
    space = envelope_space(spec) if mode == "envelope" else TablesSpace(request.spare)
    return Limit(space, Packing(request.build.layout, request.build.align), request.max_overhead)


def grouped(request: FleetRequest, found: Footprints, cells: dict[Mode, list[Cells]], fleet: int) -> Grouping:
    """Return the builds of vehicles with the same cameras; in mode `auto` of the mode that needs fewest.

    A rig with cameras off computes no more than its whole vehicle, and is served by the same shared build.
    """
    packing = Packing(request.build.layout, request.build.align)
    shared = {mode: _shared(mode, each, found, request, fleet) for mode, each in cells.items()}
    if request.mode != "auto":
        return shared[request.mode] if request.mode in shared else _exact(found)
    costs: dict[Mode, tuple[int, int]] = {
        mode: (
            len(one.groups),
            sum(int(packing.rows(group.visible)) * len(group.rows) for group in one.groups),
        )
        for mode, one in shared.items()
    }
    costs["exact"] = (len(np.unique(found.numbers())), int(packing.rows(found.own.astype(np.int64)).sum()))
    best = min((mode for mode in PREFERENCE if mode in costs), key=costs.__getitem__)
    return _exact(found) if best == "exact" else shared[best]


def _exact(found: Footprints) -> Grouping:
    """Return one build for every profile; vehicles with equal ones share it."""
    _, first, kind = np.unique(found.numbers(), return_index=True, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(kind))[:-1])
    groups = [
        Group("exact", parts[index], found.own[first[index]].astype(np.int64)) for index in np.argsort(first)
    ]
    return Grouping(found, tuple(groups), len(groups))


def _shared(
    mode: Mode, cells: Sequence[Cells], found: Footprints, request: FleetRequest, fleet: int
) -> Grouping:
    """Return one build for every cluster; kinds that see alike may share one.

    Where nothing is shared an exact build serves as well: in mode `auto`, and in place of an envelope over one
    calibration without tolerance.
    """
    may_be_exact = request.mode == "auto" or (mode == "envelope" and not request.tolerance)
    every = sorted((cell for each in cells for cell in each.found), key=lambda cell: cell.members[0])
    limit = cells[0].limit  # that of all
    clustering = cluster(every, limit)
    groups = _one_per_capacity(clustering.groups, limit) if mode == "tables" else clustering.groups
    numbers = found.numbers() if may_be_exact else None
    builds = []
    for group in groups:
        rows = with_subsets(found.rows_of(group.members), found.places, fleet)
        if numbers is not None and (numbers[rows] == numbers[rows[0]]).all():
            builds.append(Group("exact", rows, found.own[rows[0]].astype(np.int64)))
        else:
            builds.append(Group(mode, rows, limit.space.visible(group.cover), group.cover, group.steps))
    return Grouping(found, tuple(builds), min(clustering.at_least, len(builds)))


def _one_per_capacity(groups: Sequence[Cell], limit: Limit) -> list[Cell]:
    """Return groups of which no two have the same capacity: these are one engine, whatever keeps them apart.

    Spare rows beyond the overhead do, because they count for every vehicle.
    """
    found: dict[bytes, Cell] = {}
    for group in groups:
        other = found.setdefault(limit.space.visible(group.cover).tobytes(), group)
        if other is not group:
            other.members = sorted([*other.members, *group.members])
            other.cover = limit.space.join(other.cover, group.cover)
            other.steps = None
    return list(found.values())
