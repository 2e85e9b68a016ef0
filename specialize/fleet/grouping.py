"""Which vehicles of a fleet may share a build, in which mode: surveyed once, put into groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from specialize.calibration.tolerance import parse_tolerance
from specialize.errors import InputError
from specialize.fleet.clustering import Cells, Limit, cluster
from specialize.fleet.footprint import (
    Admission,
    Footprint,
    Ints,
    Packing,
    Survey,
    TablesSpace,
    envelope_space,
)
from specialize.fleet.load import Failed, each_once, over_profiles
from specialize.fleet.request import OWN_TOLERANCE, FleetRequest
from specialize.model.spec import ModelSpec
from specialize.request import Mode

# Where two modes need as many builds and rows: what runs fastest, then what needs least at run time.
PREFERENCE: tuple[Mode, ...] = ("exact", "tables", "envelope")


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Vehicles that share a build: how, their indices, and the queries kept per grid and camera (G, N)."""

    mode: Mode
    members: tuple[int, ...]
    visible: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Groups of vehicles with the same cameras; no plan has fewer than `at_least`."""

    groups: tuple[Group, ...]
    at_least: int


@dataclass(slots=True)
class CameraSet:
    """Vehicles with the same cameras in the same order, by their indices; no others can share a build."""

    members: list[int] = field(default_factory=list)
    cells: dict[Mode, Cells] = field(default_factory=dict)


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


def survey_fleet(
    request: FleetRequest, spec: ModelSpec, files: Sequence[Path], jobs: int | None
) -> tuple[list[Footprint], list[CameraSet], list[Failed]]:
    """Return what each vehicle computes, and cells of vehicles by their cameras."""
    found: list[Footprint] = []
    failed: list[Failed] = []
    kinds: dict[tuple[str, ...], CameraSet] = {}
    limits = {mode: limit_of(request, spec, mode) for mode in _modes(request, spec)}
    surveyed = over_profiles(files, Admission(survey_of(request, spec), request.build.allow), jobs)
    for one in each_once(surveyed, failed, lambda each: (each.vehicle.vehicle, each.vehicle.path)):
        kind = kinds.setdefault(one.cameras, CameraSet(cells={mode: Cells(limits[mode]) for mode in limits}))
        kind.members.append(len(found))
        for mode, cells in kind.cells.items():
            cover = one.bits if mode == "envelope" else one.reach
            assert cover is not None
            cells.add(len(found), one, cover)
        found.append(dataclasses.replace(one, bits=None))
    if not found:
        raise InputError(str(request.folder), "a profile that can be used", "none", failed[0].reason)
    return found, list(kinds.values()), failed


def limit_of(request: FleetRequest, spec: ModelSpec, mode: Mode) -> Limit:
    """Return what the groups of a mode must keep."""
    space = envelope_space(spec) if mode == "envelope" else TablesSpace(request.spare)
    return Limit(space, Packing(request.build.layout, request.build.align), request.max_overhead)


def grouped(request: FleetRequest, kind: CameraSet, found: list[Footprint]) -> Grouping:
    """Return the builds of vehicles of one kind; in mode `auto` of the mode that needs fewest."""
    exact = _exact(kind, found)
    shared = {mode: _shared(mode, cells, found, request) for mode, cells in kind.cells.items()}
    if request.mode != "auto":
        return shared.get(request.mode, exact)
    choices: dict[Mode, Grouping] = {"exact": exact, **shared}
    packing = Packing(request.build.layout, request.build.align)

    def cost(mode: Mode) -> tuple[int, int]:
        builds = choices[mode].groups
        rows = sum(int(packing.rows(build.visible)) * len(build.members) for build in builds)
        return len(builds), rows

    return choices[min((mode for mode in PREFERENCE if mode in choices), key=cost)]


def _exact(kind: CameraSet, found: list[Footprint]) -> Grouping:
    """Return one build for every profile; vehicles with equal ones share it."""
    by_profile: dict[tuple[str, str], list[int]] = {}
    for index in kind.members:
        by_profile.setdefault(found[index].vehicle.numbers, []).append(index)
    groups = tuple(Group("exact", tuple(members), found[members[0]].own) for members in by_profile.values())
    return Grouping(groups, len(groups))


def _shared(mode: Mode, cells: Cells, found: list[Footprint], request: FleetRequest) -> Grouping:
    """Return one build for every cluster.

    Where nothing is shared an exact build serves as well: in mode `auto`, and in place of an envelope over one
    calibration without tolerance.
    """
    may_be_exact = request.mode == "auto" or (mode == "envelope" and not request.tolerance)
    clustering = cluster(cells.found, cells.limit)
    builds = []
    for group in clustering.groups:
        members = tuple(group.members)
        if may_be_exact and len({found[index].vehicle.numbers for index in members}) == 1:
            builds.append(Group("exact", members, found[members[0]].own))
        else:
            builds.append(Group(mode, members, cells.limit.space.visible(group.cover)))
    return Grouping(tuple(builds), clustering.at_least)
