"""From a lock to tasks: what is to be done, what cannot be, and which vehicles are left out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.digest import digest
from specialize.errors import InputError, SpecializeError
from specialize.explain.plan import resolve_spec
from specialize.fleet.built import BuiltBuild
from specialize.fleet.lock import FleetLock, LockedBuild, LockedVehicle
from specialize.fleet.planned import FleetRequest
from specialize.fleet.task import Car, Task
from specialize.model.spec import ModelSpec
from specialize.plausibility.fit import require_fit


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
    left_out: tuple[tuple[str, str], ...]


def work_of(lock: FleetLock, store: str) -> Work:
    """Return a lock as work, for a store at a place.

    Raises:
        InputError: The model's sidecar is not what it was when the plan was made.
    """
    tasks: list[Task] = []
    failed: list[BuiltBuild] = []
    left_out: list[tuple[str, str]] = []
    spec = _spec(lock)
    request = _absolute(lock.request)
    for key in in_order(lock):
        planned, served = lock.builds[key], lock.served(key)
        cars, wrong = _cars(served, spec, request.allow)
        left_out += wrong
        if not cars or (wrong and planned.mode == "envelope"):
            failed.append(_undone(planned, served, wrong[0][1]))
            continue
        tasks.append(
            Task(key=key, mode=planned.mode, cars=cars, lengths=planned.lengths, request=request, store=store)
        )
    return Work(tuple(tasks), tuple(failed), tuple(left_out))


def in_order(lock: FleetLock) -> list[str]:
    """Return the keys of the builds, in the order of the first vehicles that they serve."""
    first: dict[str, str] = {}
    for one in lock.vehicles.values():
        first[one.build] = min(first.get(one.build, one.vehicle), one.vehicle)
    return sorted(lock.builds, key=lambda key: (first.get(key, ""), key))


def _cars(
    served: tuple[LockedVehicle, ...], spec: ModelSpec, allow: tuple[str, ...]
) -> tuple[tuple[Car, ...], list[tuple[str, str]]]:
    """Return the vehicles whose profile is the one of the lock and fits the model, and why others do not."""
    cars, wrong = [], []
    for one in served:
        try:
            profile = load_profile(one.path)
            fed = digest(spec.calibration_arrays(profile))
            if (profile.digest, fed) == (one.profile, one.calibration):
                require_fit(profile, spec, allow, one.vehicle)
        except SpecializeError as error:
            wrong.append((one.vehicle, str(error)))
            continue
        if (profile.digest, fed) != (one.profile, one.calibration):
            wrong.append((one.vehicle, f"{one.path}: changed since the plan was made; plan the fleet again"))
        else:
            cars.append(Car(one.vehicle, dump_profile(profile), one.calibration))
    return tuple(cars), wrong


def _undone(planned: LockedBuild, served: tuple[LockedVehicle, ...], reason: str) -> BuiltBuild:
    names = tuple(one.vehicle for one in served)
    return BuiltBuild(
        key=planned.key, mode=planned.mode, vehicles=names, status="failed", reason=reason, exit_code=1,
    )  # fmt: skip


def _spec(lock: FleetLock) -> ModelSpec:
    """Return what is known about the model.

    Raises:
        InputError: It is not what it was when the plan was made.
    """
    spec = resolve_spec(lock.request.model, lock.request.model_spec)
    if digest(spec.to_text()) != lock.spec:
        raise InputError(
            f"model {spec.name}", "the sidecar of the plan", "another one", "plan the fleet again"
        )
    return spec


def _absolute(request: FleetRequest) -> FleetRequest:
    """Return the request as a process in another folder understands it."""
    own = request.model.endswith(".onnx")
    return dataclasses.replace(
        request,
        folder=request.folder.resolve(),
        model=str(Path(request.model).resolve()) if own else request.model,
        model_spec=request.model_spec and request.model_spec.resolve(),
        checkpoint=request.checkpoint and request.checkpoint.resolve(),
    )
