"""From a lock to tasks: what is to be done, what cannot be, and which vehicles are left out.

A task holds the text of its profiles, not their paths: a worker elsewhere needs the store, the package, and for a
model of one's own its file.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.calibration.off import without
from specialize.digest import digest
from specialize.errors import InputError, SpecializeError
from specialize.explain.plan import resolve_spec
from specialize.files.far import is_far
from specialize.fleet.builds import BuiltBuild, FleetBuild, LeftOut, failed
from specialize.fleet.lock import FleetLock
from specialize.fleet.request import FleetRequest
from specialize.fleet.vehicle import Vehicle, identify
from specialize.model.spec import ModelSpec
from specialize.plausibility.fit import require_fit
from specialize.request import Proofs

SAMPLED = 16
"""One exact build in this many is proven whole, beside the first; a profile's digest decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One build as any machine can make it, or the tables of some of its vehicles.

    Attributes:
        build: The build.
        profiles: The text of the profile of each vehicle that takes part, by its name, in the order of the build; that
            of the whole vehicle where cameras are off.
        request: What was asked for; its paths are absolute.
        store: Folder or URL of the store.
        proof: How the build is proven.
        record: Whether what it is proven with is recorded for the others, if nothing is recorded yet.
    """

    build: FleetBuild
    profiles: dict[str, str]
    request: FleetRequest
    store: str
    proof: Proofs = "auto"
    record: bool = False

    @property
    def members(self) -> tuple[Vehicle, ...]:
        """The vehicles that take part."""
        return tuple(one for one in self.build.members if one.vehicle in self.profiles)

    def chunks(self, size: int) -> Iterator[Task]:
        """Yield the same for up to `size` vehicles at a time."""
        items = iter(self.profiles.items())
        while part := dict(itertools.islice(items, size)):
            yield dataclasses.replace(self, profiles=part)


@dataclass(frozen=True, slots=True)
class Work:
    """A lock as work.

    Attributes:
        tasks: Builds to be made, in the order of their first vehicles.
        failed: Builds that cannot be made.
        left_out: Vehicles whose profile is not the one of the lock, and why.
    """

    tasks: tuple[Task, ...]
    failed: tuple[BuiltBuild, ...]
    left_out: tuple[LeftOut, ...]


def work_of(lock: FleetLock, store: str, tables: bool = True) -> Work:
    """Return a lock as work, for a store at a place.

    Args:
        lock: The lock.
        store: Folder or URL of the store.
        tables: Whether the tables of vehicles are made as well; an engine without them takes one vehicle.

    Raises:
        InputError: The model's sidecar is not what it was when the plan was made.
    """
    tasks: list[Task] = []
    undone: list[BuiltBuild] = []
    left_out: list[LeftOut] = []
    spec = _spec(lock)
    request = _absolute(lock.request)
    for build in lock.in_order():
        needed: Iterable[Vehicle] = build.members
        if build.mode == "tables" and not tables:
            needed = build.members[:1]
        elif build.mode == "envelope":  # what a rig with cameras off sees is within
            needed = (one for one in build.members if not one.without)
        build = dataclasses.replace(build, members=tuple(needed))
        profiles, wrong = _profiles(build.members, spec, request.build.allow)
        left_out += wrong
        if not profiles or (wrong and build.mode == "envelope"):
            undone.append(failed(build, wrong[0].reason))
            continue
        tasks.append(Task(build=build, profiles=profiles, request=request, store=store))
    return Work(_with_proofs(tasks, request), tuple(undone), tuple(left_out))


def _with_proofs(tasks: list[Task], request: FleetRequest) -> tuple[Task, ...]:
    """Return tasks with how each is proven: of exact builds the first and a sample whole, the others at their sites."""
    exact = [task for task in tasks if task.build.mode == "exact"]
    asked = request.build.proof
    if asked == "whole" or len(exact) < 2:
        return tuple(
            dataclasses.replace(task, proof="whole" if asked == "whole" else "auto") for task in tasks
        )
    return tuple(
        dataclasses.replace(
            task, record=True, proof="whole" if task is exact[0] or is_sampled(task.members[0]) else asked
        )
        if task.build.mode == "exact"
        else dataclasses.replace(task, proof="auto")
        for task in tasks
    )


def is_sampled(vehicle: Vehicle) -> bool:
    """Return whether the build of a vehicle is proven whole whatever is recorded: one profile in `SAMPLED`."""
    return int(digest(["whole", vehicle.profile]).removeprefix("sha256:")[:8], 16) % SAMPLED == 0


def _profiles(
    members: Iterable[Vehicle], spec: ModelSpec, allow: tuple[str, ...]
) -> tuple[dict[str, str], list[LeftOut]]:
    """Return the text of each profile that is the one of the lock and fits the model, and why others do not."""
    texts: dict[str, str] = {}
    wrong: list[LeftOut] = []
    for one in members:
        try:
            profile = load_profile(one.path)
            rig = without(profile, one.without)
            same = identify(one.path, rig, spec).numbers == one.numbers
            if same:
                require_fit(rig, spec, allow, one.vehicle)
        except SpecializeError as error:
            wrong.append(LeftOut(one.vehicle, str(error)))
            continue
        if same:
            texts[one.vehicle] = dump_profile(profile)
        else:
            reason = f"{one.path}: changed since the plan was made; plan the fleet again"
            wrong.append(LeftOut(one.vehicle, reason))
    return texts, wrong


def _spec(lock: FleetLock) -> ModelSpec:
    """Return what is known about the model.

    Raises:
        InputError: It is not what it was when the plan was made.
    """
    spec = resolve_spec(lock.request.build.model, lock.request.build.model_spec)
    if digest(spec.to_text()) != lock.spec:
        raise InputError(
            f"model {spec.name}", "the sidecar of the plan", "another one", "plan the fleet again"
        )
    return spec


def _absolute(request: FleetRequest) -> FleetRequest:
    """Return the request as a process in another folder understands it."""
    asked = request.build
    build = dataclasses.replace(
        asked,
        model=str(Path(asked.model).resolve()) if asked.model.endswith(".onnx") else asked.model,
        model_spec=asked.model_spec and asked.model_spec.resolve(),
        checkpoint=asked.checkpoint and asked.checkpoint.resolve(),
    )
    folder = request.folder if is_far(request.folder) else request.folder.resolve()
    return dataclasses.replace(request, folder=folder, build=build)
