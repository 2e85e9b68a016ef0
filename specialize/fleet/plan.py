"""The fewest builds for a fleet: survey every vehicle once, cluster, and tell what each build costs whom."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from specialize.binding.capacity import LEAST_FAN_IN
from specialize.calibration.tolerance import parse_tolerance
from specialize.digest import digest, digest_file
from specialize.errors import InputError
from specialize.explain.plan import resolve_spec
from specialize.fleet.clustering import Cells, Limit, cluster
from specialize.fleet.detail import SAMPLED, envelope_room, tables_room, what_each_adds
from specialize.fleet.footprint import (
    Admission,
    Cover,
    Footprint,
    Ints,
    Packing,
    Survey,
    TablesSpace,
    envelope_space,
)
from specialize.fleet.load import Failed, UniqueNames, fleet_files, over_profiles
from specialize.fleet.planned import (
    OWN_TOLERANCE,
    CameraRoom,
    FleetPlan,
    FleetRequest,
    Member,
    PlannedBuild,
    planned_key,
)
from specialize.model.spec import ModelSpec
from specialize.precision.frames import frames_digest
from specialize.request import Mode
from specialize.targets.refuse_early import require_taken

Say = Callable[[str], None]

# Where two modes need as many builds and rows: what runs fastest, then what needs least at run time.
PREFERENCE: tuple[Mode, ...] = ("exact", "tables", "envelope")


@dataclass(frozen=True, slots=True)
class _Draft:
    """A build before its details: mode, indices of its vehicles, queries kept per grid and camera (G, N)."""

    mode: Mode
    members: tuple[int, ...]
    visible: Ints


@dataclass(frozen=True, slots=True)
class _Drafts:
    builds: tuple[_Draft, ...]
    at_least: int


@dataclass(slots=True)
class _Kind:
    """Vehicles with the same cameras in the same order; no others can share a build."""

    members: list[int] = field(default_factory=list)
    cells: dict[Mode, Cells] = field(default_factory=dict)


def plan_fleet(request: FleetRequest, jobs: int | None = None, say: Say = lambda line: None) -> FleetPlan:
    """Return the builds that a fleet needs; nothing is written and no model is read.

    Raises:
        InputError: The folder has no profile that can be used, two of one vehicle, or the model names no grid;
            or there is no frame in the folder of frames.
        UsageError: There is no such built-in model, or the target does not write attention in that form.
        DeclinedError: The target takes no model in that precision.
    """
    start = time.perf_counter()
    require_taken(request.target, request.attention, request.precision)
    spec = resolve_spec(request.model, request.model_spec)
    files = fleet_files(request.folder)
    say(f"surveying {len(files)} profiles for {spec.name}")
    found, kinds, failed = _surveyed(request, spec, files, jobs)
    say(f"grouping {len(found)} vehicles")
    drafts = [_drafted(request, kind, found) for kind in kinds]
    count = sum(len(kind.builds) for kind in drafts)
    frames = "" if request.frames_dir is None else frames_digest(request.frames_dir)
    writer = _Writer(request, spec, source_of(request), frames, count, jobs, say)
    builds = [writer.detailed(draft, found) for kind in drafts for draft in kind.builds]
    return FleetPlan(
        request=request,
        model=spec.name,
        spec=digest(spec.to_text()),
        source=writer.source,
        builds=tuple(sorted(builds, key=lambda build: build.members[0].path)),
        at_least=sum(kind.at_least for kind in drafts),
        failed=tuple(failed),
        seconds=time.perf_counter() - start,
    )


def source_of(request: FleetRequest) -> str:
    """Return what names the weights: the digest of a checkpoint or of an ONNX file, or the seed."""
    if request.checkpoint is not None:
        return digest_file(_existing("--checkpoint", request.checkpoint))
    if request.model.endswith(".onnx"):
        return digest_file(_existing("--model", Path(request.model)))
    return f"seed {request.seed}"


def survey_of(request: FleetRequest, spec: ModelSpec) -> Survey:
    """Return how the vehicles of a fleet are looked at."""
    named = request.tolerance not in ("", OWN_TOLERANCE)
    return Survey(
        spec,
        with_bits=request.mode in ("envelope", "auto") and bool(spec.grids),
        certified=bool(request.tolerance),
        tolerance=parse_tolerance(request.tolerance) if named else None,
    )


def _existing(option: str, path: Path) -> Path:
    if not path.is_file():
        raise InputError(option, "a file", repr(str(path)))
    return path


def _modes(request: FleetRequest, spec: ModelSpec) -> tuple[Mode, ...]:
    if request.mode == "exact" or (request.mode == "auto" and not spec.grids):
        return ()
    if not spec.grids:
        hint = "add `grids:` to the sidecar, or use --mode exact"
        raise InputError(spec.name, "a grid of queries in its sidecar", "none", hint)
    return ("tables", "envelope") if request.mode == "auto" else (request.mode,)


def _surveyed(
    request: FleetRequest, spec: ModelSpec, files: tuple[Path, ...], jobs: int | None
) -> tuple[list[Footprint], list[_Kind], list[Failed]]:
    """Return what each vehicle computes, and cells of vehicles by their cameras."""
    names = UniqueNames()
    found: list[Footprint] = []
    failed: list[Failed] = []
    kinds: dict[tuple[str, ...], _Kind] = {}
    limits = {mode: _limit(request, spec, mode) for mode in _modes(request, spec)}
    for one in over_profiles(files, Admission(survey_of(request, spec), request.allow), jobs):
        if isinstance(one, Failed):
            failed.append(one)
            continue
        names.add(one.vehicle, one.path)
        kind = kinds.setdefault(one.cameras, _Kind(cells={mode: Cells(limits[mode]) for mode in limits}))
        kind.members.append(len(found))
        for mode, cells in kind.cells.items():
            cover = one.bits if mode == "envelope" else one.reach
            assert cover is not None
            cells.add(len(found), one, cover)
        found.append(dataclasses.replace(one, bits=None))
    if not found:
        raise InputError(str(request.folder), "a profile that can be used", "none", failed[0].reason)
    return found, list(kinds.values()), failed


def _limit(request: FleetRequest, spec: ModelSpec, mode: Mode) -> Limit:
    space = envelope_space(spec) if mode == "envelope" else TablesSpace(request.spare)
    return Limit(space, Packing(request.layout, request.align), request.max_overhead)


def _drafted(request: FleetRequest, kind: _Kind, found: list[Footprint]) -> _Drafts:
    """Return the builds of vehicles of one kind; in mode `auto` of the mode that needs fewest."""
    exact = _exact(kind, found)
    shared = {mode: _shared(mode, cells, found, request) for mode, cells in kind.cells.items()}
    if request.mode != "auto":
        return shared.get(request.mode, exact)
    choices: dict[Mode, _Drafts] = {"exact": exact, **shared}
    packing = Packing(request.layout, request.align)

    def cost(mode: Mode) -> tuple[int, int]:
        builds = choices[mode].builds
        rows = sum(int(packing.rows(build.visible)) * len(build.members) for build in builds)
        return len(builds), rows

    return choices[min((mode for mode in PREFERENCE if mode in choices), key=cost)]


def _exact(kind: _Kind, found: list[Footprint]) -> _Drafts:
    """Return one build for every profile; vehicles with equal ones share it."""
    by_profile: dict[str, list[int]] = {}
    for index in kind.members:
        by_profile.setdefault(found[index].profile + found[index].calibration, []).append(index)
    builds = tuple(_Draft("exact", tuple(members), found[members[0]].own) for members in by_profile.values())
    return _Drafts(builds, len(builds))


def _shared(mode: Mode, cells: Cells, found: list[Footprint], request: FleetRequest) -> _Drafts:
    """Return one build for every cluster.

    Where nothing is shared an exact build serves as well: in mode `auto`, and in place of an envelope over one
    calibration without tolerance.
    """
    may_be_exact = request.mode == "auto" or (mode == "envelope" and not request.tolerance)
    clustering = cluster(cells.found, cells.limit)
    builds = []
    for group in clustering.groups:
        members = tuple(group.members)
        if may_be_exact and len({(found[index].profile, found[index].calibration) for index in members}) == 1:
            builds.append(_Draft("exact", members, found[members[0]].own))
        else:
            builds.append(_Draft(mode, members, cells.limit.space.visible(group.cover)))
    return _Drafts(tuple(builds), clustering.at_least)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Turns drafts into builds with all that people ask about them."""

    request: FleetRequest
    spec: ModelSpec
    source: str
    frames: str
    builds: int
    jobs: int | None
    say: Say

    def detailed(self, draft: _Draft, found: list[Footprint]) -> PlannedBuild:
        """Return a build with what each vehicle adds, and how much room its cameras have."""
        request, footprints = self.request, [found[index] for index in draft.members]
        limit = _limit(request, self.spec, draft.mode)
        if draft.mode == "envelope" and len(footprints) > 1:
            self.say(f"weighing an envelope over {len(footprints)} vehicles")
        adds, cover = what_each_adds(draft.mode, footprints, limit, survey_of(request, self.spec), self.jobs)
        members = tuple(
            Member(
                vehicle=one.vehicle, path=one.path, profile=one.profile, plan=one.plan, calibration=one.calibration,
                pairs=int(limit.packing.rows(one.own)), adds=added,
            )
            for one, added in zip(footprints, adds, strict=True)
        )  # fmt: skip
        room, room_over = self._room(draft, footprints, cover)
        lengths = tuple(tuple(int(n) for n in row) for row in limit.packing.lengths(draft.visible))
        pairs, least = sum(map(sum, lengths)), min(member.pairs for member in members)
        widest = max(footprints, key=lambda one: max(LEAST_FAN_IN, one.fan_in))  # the first of them
        key = planned_key(
            request, digest(self.spec.to_text()), self.source, draft.mode, members, lengths, widest.fan_in,
            self.frames,
        )  # fmt: skip
        return PlannedBuild(
            key=key, mode=draft.mode, made_from=(widest if draft.mode == "tables" else footprints[0]).vehicle,
            cameras=footprints[0].cameras, members=members, pairs=pairs,
            overhead=pairs / least - 1 if least else 0.0, lengths=lengths,
            fan_in=widest.fan_in, room=room, room_over=room_over,
        )  # fmt: skip

    def _room(
        self, draft: _Draft, footprints: list[Footprint], cover: Cover | None
    ) -> tuple[tuple[CameraRoom, ...], int]:
        """Return the room of each camera and for how many vehicles it was looked up."""
        if draft.mode == "tables":
            return tables_room(footprints, draft.visible, self.spec), len(footprints)
        if draft.mode == "envelope" and cover is not None:
            sample = min(SAMPLED, max(1, 4 * SAMPLED // self.builds))
            return envelope_room(footprints, cover, self.spec, sample, self.jobs)
        return (), 0
