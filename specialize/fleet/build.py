"""Carrying out a fleet's plan: every build of the lock into the store, whatever happens to some of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.digest import digest
from specialize.errors import InputError, SpecializeError
from specialize.fleet.engines import Engine, Local
from specialize.fleet.kept import FLEET_KIND
from specialize.fleet.lock import FleetLock, LockedBuild, LockedVehicle, lock_text, read_lock
from specialize.fleet.parts import KIND, folder_name, unpack_build
from specialize.fleet.planned import FleetRequest
from specialize.fleet.task import Car, Done, Task
from specialize.model import ModelSpec
from specialize.planning import resolve_spec
from specialize.store import Entry, Store, open_store

Watch = Callable[["BuiltBuild", int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBuild:
    """What became of one build.

    Attributes:
        key: Its name in the store.
        mode: How calibration is bound.
        vehicles: Names of the vehicles that it serves.
        status: `built`, `reused` or `failed`.
        reason: Why it failed; empty otherwise.
        exit_code: What the failure is worth to a command line; 0 otherwise.
        seconds: Wall time.
        own_bytes: What it added to the store: all but weights that other builds share.
        folder: Where it was laid out, if it was.
    """

    key: str
    mode: str
    vehicles: tuple[str, ...]
    status: str
    reason: str
    exit_code: int
    seconds: float = 0.0
    own_bytes: int = 0
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetBuilt:
    """What became of a fleet.

    Attributes:
        lock: The lock that was carried out.
        store: Where the builds are.
        builds: In the order of their first vehicles.
        left_out: Vehicles whose profile is not the one of the lock, and why.
        seconds: Wall time.
    """

    lock: Path
    store: str
    builds: tuple[BuiltBuild, ...]
    left_out: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """The gravest exit code of any build; 1 if a vehicle was left out."""
        return max([build.exit_code for build in self.builds] + [1 if self.left_out else 0])


def build_fleet(
    lock_file: Path, engine: Engine | None = None, output: Path | None = None, watch: Watch | None = None
) -> FleetBuilt:
    """Carry out a lock: make every build that the store does not have, and go on where one fails.

    Args:
        lock_file: The lock that `fleet plan` wrote.
        engine: Where to work; in this process without one.
        output: Folder in which every build is laid out as a folder of its own; none without it.
        watch: Called after each build, with the number of builds done and of all builds.

    Raises:
        InputError: There is no lock, or it is damaged.
    """
    start = time.perf_counter()
    lock, store = read_lock(lock_file), open_store()
    register(store, lock, lock_file)
    tasks, results, left_out = _tasks(lock, _place_of(store))
    total = len(lock.builds)
    for built in results:
        _tell(watch, built, results, total)
    for done in (engine or Local()).run(tasks):
        built = _built(lock.builds[done.key], lock, done)
        results.append(built if output is None else _laid_out(built, store, output))
        _tell(watch, results[-1], results, total)
    order = {key: number for number, key in enumerate(_in_order(lock))}
    return FleetBuilt(
        lock=lock_file,
        store=_place_of(store),
        builds=tuple(sorted(_weighed(results, store), key=lambda built: order[built.key])),
        left_out=tuple(left_out),
        seconds=time.perf_counter() - start,
    )


def register(store: Store, lock: FleetLock, lock_file: Path) -> None:
    """Tell the store of a lock, so that what it names is kept."""
    place = str(lock_file.resolve())
    text = lock_text(lock, lock_file.parent).encode()
    entry = Entry(
        kind=FLEET_KIND,
        key=digest([FLEET_KIND, place]),
        title=f"fleet of {len(lock.vehicles)} vehicles, {place}",
        objects={"fleet.lock": store.put_bytes(text)},
        info={"path": place},
    )
    store.write_entry(entry)


def _tasks(lock: FleetLock, store: str) -> tuple[list[Task], list[BuiltBuild], list[tuple[str, str]]]:
    """Return what is to be done, builds that cannot be, and vehicles that are left out."""
    tasks, failed, left_out = [], [], []
    spec = _spec(lock)
    request = _absolute(lock.request)
    for key in _in_order(lock):
        planned, served = lock.builds[key], lock.served(key)
        cars, wrong = _cars(served, spec)
        left_out += wrong
        if not cars or (wrong and planned.mode == "envelope"):
            failed.append(_undone(planned, served, wrong[0][1]))
            continue
        tasks.append(
            Task(key=key, mode=planned.mode, cars=cars, lengths=planned.lengths, request=request, store=store)
        )
    return tasks, failed, left_out


def _in_order(lock: FleetLock) -> list[str]:
    """Return the keys of the builds, in the order of the first vehicles that they serve."""
    first: dict[str, str] = {}
    for one in lock.vehicles.values():
        first[one.build] = min(first.get(one.build, one.vehicle), one.vehicle)
    return sorted(lock.builds, key=lambda key: (first.get(key, ""), key))


def _cars(
    served: tuple[LockedVehicle, ...], spec: ModelSpec
) -> tuple[tuple[Car, ...], list[tuple[str, str]]]:
    """Return the vehicles whose profile is the one of the lock, and why others are not."""
    cars, wrong = [], []
    for one in served:
        try:
            profile = load_profile(one.path)
        except SpecializeError as error:
            wrong.append((one.vehicle, str(error)))
            continue
        fed = digest(spec.calibration_arrays(profile))
        if (profile.digest, fed) != (one.profile, one.calibration):
            wrong.append((one.vehicle, f"{one.path}: changed since the plan was made; plan the fleet again"))
        else:
            cars.append(Car(one.vehicle, dump_profile(profile)))
    return tuple(cars), wrong


def _undone(planned: LockedBuild, served: tuple[LockedVehicle, ...], reason: str) -> BuiltBuild:
    names = tuple(one.vehicle for one in served)
    return BuiltBuild(
        key=planned.key, mode=planned.mode, vehicles=names, status="failed", reason=reason, exit_code=1,
    )  # fmt: skip


def _built(planned: LockedBuild, lock: FleetLock, done: Done) -> BuiltBuild:
    return BuiltBuild(
        key=done.key, mode=planned.mode, vehicles=tuple(one.vehicle for one in lock.served(done.key)),
        status=done.status, reason=done.reason, exit_code=done.exit_code, seconds=done.seconds,
    )  # fmt: skip


def _laid_out(built: BuiltBuild, store: Store, output: Path) -> BuiltBuild:
    """Return a build with its folder; one that cannot be laid out has failed."""
    if built.status == "failed":
        return built
    folder = output / folder_name(built.key, built.vehicles)
    try:
        unpack_build(store, built.key, folder)
    except SpecializeError as error:
        return dataclasses.replace(built, status="failed", reason=str(error), exit_code=error.exit_code)
    return dataclasses.replace(built, folder=folder)


def _weighed(results: list[BuiltBuild], store: Store) -> list[BuiltBuild]:
    """Return the builds with the bytes that no generic model shares."""
    shared = {key for entry in store.entries() if entry.kind == "export" for key in entry.objects.values()}
    weighed = []
    for built in results:
        entry = None if built.status == "failed" else store.find_entry(KIND, built.key)
        own = set(entry.objects.values()) - shared if entry else set()
        weighed.append(dataclasses.replace(built, own_bytes=sum(map(store.size, own))))
    return weighed


def _tell(watch: Watch | None, built: BuiltBuild, results: list[BuiltBuild], total: int) -> None:
    if watch is not None:
        watch(built, len(results), total)


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


def _place_of(store: Store) -> str:
    """Return what opens this store again: its URL, or its folder."""
    remote = getattr(store, "remote", None)
    return str(store.root) if remote is None else str(remote.url)
