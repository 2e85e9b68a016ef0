"""Carrying out a fleet's plan: every build of the lock into the store, whatever happens to some of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from specialize.digest import digest
from specialize.errors import SpecializeError
from specialize.fleet.built import BuiltBuild, FleetBuilt
from specialize.fleet.engines import Engine, Local
from specialize.fleet.kept import FLEET_KIND
from specialize.fleet.lock import FleetLock, lock_text, read_lock
from specialize.fleet.parts import KIND, folder_name, unpack_build
from specialize.fleet.tabling import Tabled, TablesTask, chunks, make_tables, write_table
from specialize.fleet.task import Done, Task, carry_out
from specialize.fleet.work import in_order, work_of
from specialize.store import Entry, Store, open_store

Watch = Callable[[BuiltBuild, int, int], None]


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
        InputError: There is no lock, or it is damaged, or its model is not what it was.
    """
    start = time.perf_counter()
    lock, store = read_lock(lock_file), open_store()
    register(store, lock, lock_file)
    work = work_of(lock, _place_of(store))
    results: list[BuiltBuild] = []
    for built in _all(lock, work.failed, work.tasks, engine or Local(), store):
        results.append(built if output is None else _laid_out(built, lock, work.left_out, store, output))
        if watch is not None:
            watch(results[-1], len(results), len(lock.builds))
    order = {key: number for number, key in enumerate(in_order(lock))}
    return FleetBuilt(
        lock=lock_file,
        store=_place_of(store),
        builds=tuple(sorted(_weighed(results, store), key=lambda built: order[built.key])),
        left_out=tuple(sorted({*work.left_out, *(pair for built in results for pair in built.unserved)})),
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


def _all(
    lock: FleetLock, failed: tuple[BuiltBuild, ...], tasks: tuple[Task, ...], engine: Engine, store: Store
) -> Iterator[BuiltBuild]:
    """Yield every build as it finishes; engines with tables after the others, with the tables of their vehicles."""
    yield from failed
    cars = {task.key: task.cars for task in tasks}
    waiting = []
    for done in engine.run(carry_out, tasks, _lost):
        built = _built(lock, done)
        if built.mode != "tables" or built.status == "failed":
            yield built
        else:
            waiting.append(built)
    for built in waiting:
        start = time.perf_counter()
        parts = tuple(chunks(built.key, cars[built.key], _place_of(store)))
        tabled = list(engine.run(make_tables, parts, _lost_tables))
        yield _with_tables(built, tabled, time.perf_counter() - start)


def _built(lock: FleetLock, done: Done) -> BuiltBuild:
    return BuiltBuild(
        key=done.key, mode=lock.builds[done.key].mode, vehicles=tuple(one.vehicle for one in lock.served(done.key)),
        status=done.status, reason=done.reason, exit_code=done.exit_code, seconds=done.seconds,
    )  # fmt: skip


def _with_tables(built: BuiltBuild, tabled: list[Tabled], seconds: float) -> BuiltBuild:
    """Return an engine with what became of its vehicles' tables."""
    failed = tuple(sorted(pair for part in tabled for pair in part.failed))
    made = sum(part.made for part in tabled)
    return dataclasses.replace(
        built,
        status="built" if made else built.status,
        unserved=failed,
        exit_code=1 if failed else 0,
        seconds=built.seconds + seconds,
        tables=made + sum(part.reused for part in tabled),
    )


def _lost(task: Task, reason: str) -> Done:
    return Done(key=task.key, status="failed", reason=reason, exit_code=1)


def _lost_tables(task: TablesTask, reason: str) -> Tabled:
    return Tabled(task.build, 0, 0, tuple((car.vehicle, reason) for car in task.cars))


def _laid_out(
    built: BuiltBuild, lock: FleetLock, left_out: tuple[tuple[str, str], ...], store: Store, output: Path
) -> BuiltBuild:
    """Return a build with its folder, the tables of its vehicles beside it; one that cannot be laid out has failed."""
    if built.status == "failed":
        return built
    folder = output / folder_name(built.key, built.vehicles)
    try:
        unpack_build(store, built.key, folder)
        unserved = {vehicle for vehicle, _ in (*built.unserved, *left_out)}
        for one in lock.served(built.key) if built.tables else ():
            if one.vehicle in unserved:
                continue
            path = output / f"{folder_name(built.key, (one.vehicle,))}.safetensors"
            write_table(store, built.key, one.profile, one.calibration, path)
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


def _place_of(store: Store) -> str:
    """Return what opens this store again: its URL, or its folder."""
    remote = getattr(store, "remote", None)
    return str(store.root) if remote is None else str(remote.url)
