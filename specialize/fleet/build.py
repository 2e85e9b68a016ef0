"""Carrying out a fleet's plan: every build of the lock into the store, whatever happens to some of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

from msgspec import structs

from specialize.compiler.unpacked import let_go
from specialize.digest import digest
from specialize.errors import SpecializeError
from specialize.fleet.builds import BuiltBuild, FleetBuilt, LeftOut, failed
from specialize.fleet.executors import Serial, completed
from specialize.fleet.lock import NAME, full_lock, read_outline
from specialize.fleet.lock_lines import Outline
from specialize.fleet.retention import FLEET_KIND, VEHICLES
from specialize.fleet.storage import KIND, folder_name, unpack_build
from specialize.fleet.tasks import Task, Work, work_of
from specialize.fleet.vehicle import Vehicle
from specialize.fleet.vehicle_tables import CHUNK, make_tables, without_tables, write_table
from specialize.fleet.worker import carry_out
from specialize.store import Entry, Store, open_store
from specialize.text.units import counted

Watch = Callable[[BuiltBuild, int, int], None]
Warn = Callable[[tuple[str, ...]], None]


def build_fleet(
    lock_file: Path,
    executor: Executor | None = None,
    output: Path | None = None,
    watch: Watch | None = None,
    tables: bool = False,
    warn: Warn | None = None,
) -> FleetBuilt:
    """Carry out a lock: make every build that the store does not have, and go on where one fails.

    Args:
        lock_file: The lock that `fleet plan` wrote.
        executor: Where to work; in this process without one.
        output: Folder in which every build is laid out as a folder of its own; none without it.
        watch: Called after each build, with the number of builds done and of all builds.
        tables: Make the tables of each vehicle of a fleet that is a table, too; those of a folder always are made.
        warn: Called first, with what to know before any of the builds drives a car.

    Raises:
        InputError: There is no lock, or it is damaged, or its model is not what it was.
    """
    start = time.perf_counter()
    outline, table = read_outline(lock_file)
    if warn is not None:
        warn(outline.request.warnings())
    lock, store = full_lock(outline, lock_file, table), open_store()
    register(store, outline, lock_file, table)
    tables = tables or not lock.tabled
    work = work_of(lock, _place_of(store), tables)
    results: list[BuiltBuild] = []
    for built in _all(work, executor or Serial(), tables):
        built = structs.replace(built, vehicles=lock.builds[built.key].vehicles)
        if output is not None:
            built = _laid_out(built, lock.builds[built.key].members, work.left_out, store, output)
        results.append(built)
        if watch is not None:
            watch(results[-1], len(results), len(lock.builds))
    order = {build.key: number for number, build in enumerate(lock.in_order())}
    left_out = sorted({*work.left_out, *(one for built in results for one in built.unserved)})
    return FleetBuilt(
        lock=lock_file,
        store=_place_of(store),
        seconds=round(time.perf_counter() - start, 3),
        ok=not left_out and not any(built.exit_code for built in results),
        builds=tuple(sorted(_weighed(results, store), key=lambda built: order[built.key])),
        left_out=tuple(left_out),
    )


def register(store: Store, outline: Outline, lock_file: Path, table: Path | None = None) -> None:
    """Tell the store of a lock, so that what it names is kept."""
    place = str(lock_file.resolve())
    objects = {NAME: store.put_bytes(outline.text.encode())}
    if table is not None:
        objects[VEHICLES] = store.put_file(table)
    entry = Entry(
        kind=FLEET_KIND,
        key=digest([FLEET_KIND, place]),
        title=f"fleet of {counted(outline.count, 'vehicle')}, {place}",
        objects=objects,
        info={"path": place},
    )
    store.write_entry(entry)


def _all(work: Work, executor: Executor, tables: bool) -> Iterator[BuiltBuild]:
    """Yield every build as it finishes; engines with tables after the others, with the tables of their vehicles."""
    yield from work.failed
    tasks = {task.build.key: task for task in work.tasks}
    waiting = []
    for built in _carried_out(work.tasks, executor):
        if built.mode != "tables" or built.status == "failed" or not tables:
            yield built
        else:
            waiting.append(built)
    for built in waiting:
        start = time.perf_counter()
        parts = tuple(tasks[built.key].chunks(CHUNK))
        tabled = list(completed(executor, make_tables, parts, without_tables))
        yield _with_tables(built, tabled, time.perf_counter() - start)


def _carried_out(tasks: tuple[Task, ...], executor: Executor) -> Iterator[BuiltBuild]:
    """Yield every build as it finishes, the one first whose values the others are proven with."""
    first = next((task for task in tasks if task.record), None)
    try:
        if first is not None:
            yield from completed(executor, carry_out, (first,), _lost)
        yield from completed(executor, carry_out, [task for task in tasks if task is not first], _lost)
    finally:
        let_go()  # of the model, where this process built


def _with_tables(built: BuiltBuild, parts: list[BuiltBuild], seconds: float) -> BuiltBuild:
    """Return an engine with what became of its vehicles' tables."""
    unserved = tuple(sorted(one for part in parts for one in part.unserved))
    return structs.replace(
        built,
        status="built" if any(part.status == "built" for part in parts) else built.status,
        unserved=unserved,
        exit_code=1 if unserved else 0,
        seconds=round(built.seconds + seconds, 3),
        tables=sum(part.tables for part in parts),
    )


def _lost(task: Task, reason: str) -> BuiltBuild:
    return failed(task.build, reason)


def _laid_out(
    built: BuiltBuild, members: Sequence[Vehicle], left_out: tuple[LeftOut, ...], store: Store, output: Path
) -> BuiltBuild:
    """Return a build with its folder, the tables of its vehicles beside it; one that cannot be laid out has failed."""
    if built.status == "failed":
        return built
    folder = output / folder_name(built.key, built.vehicles)
    try:
        unpack_build(store, built.key, folder)
        unserved = {one.vehicle for one in (*built.unserved, *left_out)}
        for one in members if built.tables else ():
            if one.vehicle in unserved:
                continue
            path = output / f"{folder_name(built.key, (one.vehicle,))}.safetensors"
            write_table(store, built.key, one, path)
    except SpecializeError as error:
        return structs.replace(built, status="failed", reason=str(error), exit_code=error.exit_code)
    return structs.replace(built, folder=folder)


def _weighed(results: list[BuiltBuild], store: Store) -> list[BuiltBuild]:
    """Return the builds with the bytes that no generic model shares."""
    shared = {key for entry in store.entries("export") for key in entry.objects.values()}
    weighed = []
    for built in results:
        entry = None if built.status == "failed" else store.find_entry(KIND, built.key)
        own = set(entry.objects.values()) - shared if entry else set()
        proof = str(entry.info.get("proof", "")) if entry else ""
        weighed.append(structs.replace(built, own_bytes=sum(map(store.size, own)), proof=proof))
    return weighed


def _place_of(store: Store) -> str:
    """Return what opens this store again: its URL, or its folder."""
    remote = getattr(store, "remote", None)
    return str(store.root) if remote is None else str(remote.url)
