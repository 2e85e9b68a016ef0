"""The fewest builds for a fleet: survey every vehicle once, cluster, and tell what each build costs whom."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specialize.binding.capacity import LEAST_FAN_IN
from specialize.compiler.key import ModelName, frames_name, model_name, planned_key
from specialize.digest import digest_file
from specialize.errors import InputError
from specialize.explain.plan import resolve_spec
from specialize.fleet.builds import CameraRoom, FleetPlan, KindServed, PlannedBuild
from specialize.fleet.footprints import Footprints, Members
from specialize.fleet.grouping import FleetSurvey, Group, grouped, limit_of, survey_fleet, survey_of
from specialize.fleet.load import fleet_files
from specialize.fleet.request import FleetRequest
from specialize.fleet.sampling import Crew, crew_of
from specialize.fleet.sharing import SAMPLED, added, envelope_room, own_rows, steps_of, tables_room
from specialize.model.spec import ModelSpec
from specialize.request import BuildOptions
from specialize.targets.refuse_early import require_taken
from specialize.text.progress import Say, quiet
from specialize.text.units import counted


def plan_fleet(
    request: FleetRequest, jobs: int | None = None, say: Say = quiet, executor: Executor | None = None
) -> FleetPlan:
    """Return the builds that a fleet needs; nothing is written and no model is read.

    Args:
        request: What is asked for.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        say: Is told what is being done.
        executor: Where vehicles are looked at, instead of processes of this machine.

    Raises:
        InputError: The folder has no profile that can be used, two of one vehicle, or the model names no grid;
            or there is no frame in the folder of frames.
        UsageError: There is no such built-in model, or the target does not write attention in that form.
        DeclinedError: The target takes no model in that precision.
    """
    start = time.perf_counter()
    asked = request.build
    require_taken(asked.target, asked.attention, asked.precision)
    spec = resolve_spec(asked.model, asked.model_spec)
    files = fleet_files(request.folder)
    say(f"surveying {counted(len(files), 'profile')} for {spec.name}")
    with crew_of(files, jobs, executor) as crew:
        return _planned(request, spec, files, crew, jobs, say, start)


def _planned(
    request: FleetRequest,
    spec: ModelSpec,
    files: Sequence[Path],
    crew: Crew,
    jobs: int | None,
    say: Say,
    start: float,
) -> FleetPlan:
    """Return the builds of the vehicles at some paths."""
    asked = request.build
    survey = survey_fleet(request, spec, files, crew)
    vehicles = sum(kind.vehicles for kind in survey.kinds)
    say(f"grouping {counted(vehicles, 'vehicle')} of {counted(len(survey.kinds), 'kind')}")
    groupings = [grouped(request, found, cells, len(files)) for found, cells in survey.sets]
    model = model_name(Path(asked.model).stem, source_of(asked), spec)
    frames = frames_name(asked.frames_dir)
    writer = _Writer(
        request, spec, model, frames, survey, files, sum(len(g.groups) for g in groupings), jobs, say
    )
    groups = [(grouping.found, group) for grouping in groupings for group in grouping.groups]
    builds = [writer.detailed(*group) for group in _weighed(groups, request, spec, files, crew, say)]
    return FleetPlan(
        request=request,
        model=spec.name,
        spec=model.spec,
        source=model.model,
        builds=tuple(sorted(builds, key=lambda build: build.members[0].path)),
        at_least=sum(grouping.at_least for grouping in groupings),
        kinds=survey.kinds,
        failed=survey.failed,
        seconds=time.perf_counter() - start,
    )


def _weighed(
    groups: list[tuple[Footprints, Group]],
    request: FleetRequest,
    spec: ModelSpec,
    files: Sequence[Path],
    crew: Crew,
    say: Say,
) -> list[tuple[Footprints, Group]]:
    """Return groups that all know who makes their covers grow; those of several cells do not."""
    unknown = [pair for pair in groups if pair[1].mode == "envelope" and pair[1].steps is None]
    if not unknown:
        return groups
    say(f"weighing {counted(len(unknown), 'envelope')}")
    limit = limit_of(request, spec, "envelope")
    steps = iter(steps_of(unknown, limit, files, survey_of(request, spec), crew))
    known = [pair for pair in groups if pair not in unknown]
    return known + [(found, dataclasses.replace(group, steps=next(steps))) for found, group in unknown]


def source_of(asked: BuildOptions) -> str:
    """Return what names the weights: the digest of a checkpoint or of an ONNX file, or the seed."""
    if asked.checkpoint is not None:
        return digest_file(_existing("--checkpoint", asked.checkpoint))
    if asked.model.endswith(".onnx"):
        return digest_file(_existing("--model", Path(asked.model)))
    return f"seed {asked.seed}"


def _existing(option: str, path: Path) -> Path:
    if not path.is_file():
        raise InputError(option, "a file", repr(str(path)))
    return path


@dataclass(frozen=True, slots=True)
class _Writer:
    """Turns groups into builds with all that people ask about them."""

    request: FleetRequest
    spec: ModelSpec
    model: ModelName
    frames: str
    survey: FleetSurvey
    files: Sequence[Path]
    builds: int
    jobs: int | None
    say: Say

    def detailed(self, found: Footprints, group: Group) -> PlannedBuild:
        """Return a build with what each vehicle adds, and how much room its cameras have."""
        request, limit = self.request, limit_of(self.request, self.spec, group.mode)
        own = own_rows(found, group.rows, limit.packing)
        members = Members(found, group.rows, own, added(found, group, limit), self.files)
        whole = members.whole()
        room, room_over = self._room(group, whole)
        lengths = tuple(tuple(int(n) for n in row) for row in limit.packing.lengths(group.visible))
        pairs, least = sum(map(sum, lengths)), int(whole.pairs.min())
        fan_in = np.maximum(LEAST_FAN_IN, found.fan_in[group.rows])
        widest = int(fan_in.argmax())  # the first of them
        key = planned_key(
            request.build, group.mode, whole, self.model, lengths, int(fan_in[widest]), request.tolerance,
            self.frames,
        )  # fmt: skip
        made_from = members[widest if group.mode == "tables" else 0]
        vehicles = np.unique(found.places[group.rows] % len(self.files))
        kinds, counts = np.unique(self.survey.kind_of[vehicles], return_counts=True)
        return PlannedBuild(
            key=key.digest(), mode=group.mode, made_from=made_from.vehicle, cameras=found.cameras,
            members=members, lengths=lengths, overhead=pairs / least - 1 if least else 0.0,
            fan_in=int(found.fan_in[group.rows[widest]]), room=room, room_over=room_over,
            kinds=tuple(KindServed(kind=int(k), vehicles=int(n)) for k, n in zip(kinds, counts, strict=True)),
        )  # fmt: skip

    def _room(self, group: Group, members: Members) -> tuple[tuple[CameraRoom, ...], int]:
        """Return the room of each camera and for how many vehicles it was looked up."""
        if group.mode == "tables":
            return tables_room(members, group.visible, self.spec), len(members)
        if group.mode == "envelope" and group.cover is not None:
            sample = min(SAMPLED, max(1, 4 * SAMPLED // self.builds))
            return envelope_room(members, group.cover, self.spec, sample, self.jobs)
        return (), 0
