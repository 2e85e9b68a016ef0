"""The fewest builds for a fleet: survey every vehicle once, cluster, and tell what each build costs whom."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from specialize.binding.capacity import LEAST_FAN_IN
from specialize.compiler.key import ModelName, frames_name, model_name, planned_key
from specialize.digest import digest_file
from specialize.errors import InputError
from specialize.explain.plan import resolve_spec
from specialize.fleet.builds import CameraRoom, FleetPlan, PlannedBuild, member_of
from specialize.fleet.footprint import Cover, Footprint
from specialize.fleet.grouping import Group, grouped, limit_of, survey_fleet, survey_of
from specialize.fleet.load import fleet_files
from specialize.fleet.request import FleetRequest
from specialize.fleet.sharing import SAMPLED, envelope_room, tables_room, what_each_adds
from specialize.model.spec import ModelSpec
from specialize.request import BuildOptions
from specialize.targets.refuse_early import require_taken
from specialize.text.progress import Say, quiet
from specialize.text.units import counted


def plan_fleet(request: FleetRequest, jobs: int | None = None, say: Say = quiet) -> FleetPlan:
    """Return the builds that a fleet needs; nothing is written and no model is read.

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
    found, sets, failed = survey_fleet(request, spec, files, jobs)
    say(f"grouping {counted(len(found), 'vehicle')}")
    groupings = [grouped(request, one, found) for one in sets]
    groups = [group for grouping in groupings for group in grouping.groups]
    model = model_name(Path(asked.model).stem, source_of(asked), spec)
    writer = _Writer(request, spec, model, frames_name(asked.frames_dir), len(groups), jobs, say)
    builds = [writer.detailed(group, found) for group in groups]
    return FleetPlan(
        request=request,
        model=spec.name,
        spec=model.spec,
        source=model.model,
        builds=tuple(sorted(builds, key=lambda build: build.members[0].path)),
        at_least=sum(grouping.at_least for grouping in groupings),
        failed=tuple(failed),
        seconds=time.perf_counter() - start,
    )


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
    builds: int
    jobs: int | None
    say: Say

    def detailed(self, group: Group, found: list[Footprint]) -> PlannedBuild:
        """Return a build with what each vehicle adds, and how much room its cameras have."""
        request, footprints = self.request, [found[index] for index in group.members]
        limit = limit_of(request, self.spec, group.mode)
        if group.mode == "envelope" and len(footprints) > 1:
            self.say(f"weighing an envelope over {counted(len(footprints), 'vehicle')}")
        adds, cover = what_each_adds(group.mode, footprints, limit, survey_of(request, self.spec), self.jobs)
        members = tuple(
            member_of(one.vehicle, int(limit.packing.rows(one.own)), added)
            for one, added in zip(footprints, adds, strict=True)
        )
        room, room_over = self._room(group, footprints, cover)
        lengths = tuple(tuple(int(n) for n in row) for row in limit.packing.lengths(group.visible))
        pairs, least = sum(map(sum, lengths)), min(member.pairs for member in members)
        widest = max(footprints, key=lambda one: max(LEAST_FAN_IN, one.fan_in))  # the first of them
        key = planned_key(
            request.build, group.mode, members, self.model, lengths, max(LEAST_FAN_IN, widest.fan_in),
            request.tolerance, self.frames,
        )  # fmt: skip
        made_from = widest if group.mode == "tables" else footprints[0]
        return PlannedBuild(
            key=key.digest(), mode=group.mode, made_from=made_from.vehicle.vehicle,
            cameras=footprints[0].cameras, members=members, lengths=lengths,
            overhead=pairs / least - 1 if least else 0.0,
            fan_in=widest.fan_in, room=room, room_over=room_over,
        )  # fmt: skip

    def _room(
        self, group: Group, footprints: list[Footprint], cover: Cover | None
    ) -> tuple[tuple[CameraRoom, ...], int]:
        """Return the room of each camera and for how many vehicles it was looked up."""
        if group.mode == "tables":
            return tables_room(footprints, group.visible, self.spec), len(footprints)
        if group.mode == "envelope" and cover is not None:
            sample = min(SAMPLED, max(1, 4 * SAMPLED // self.builds))
            return envelope_room(footprints, cover, self.spec, sample, self.jobs)
        return (), 0
