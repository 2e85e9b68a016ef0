"""Tables of the vehicles that share an engine: made many at a time, kept in the store beside it."""

from __future__ import annotations

import zlib
from pathlib import Path

from msgspec import structs

from specialize.artifact.build import Build
from specialize.artifact.manifest import FILE_NAME, parse_manifest
from specialize.artifact.tensors import tensors_bytes
from specialize.binding.table_inputs import Program, program_of
from specialize.binding.table_program import PROGRAM, RELINK, metadata_of
from specialize.calibration.off import without
from specialize.compiler.generic import PREPARED_WEIGHTS
from specialize.errors import InputError, SpecializeError
from specialize.files.atomic import write_file
from specialize.files.scratch import work_folder
from specialize.fleet.builds import BuiltBuild, LeftOut, done
from specialize.fleet.retention import TABLE_KIND, table_key
from specialize.fleet.storage import KIND
from specialize.fleet.tasks import Task
from specialize.fleet.vehicle import Vehicle
from specialize.fleet.worker import opened, parse
from specialize.store import Entry, Store, is_intact
from specialize.store.parts import PACKED, read_part
from specialize.witness.off import rig_without
from specialize.witness.rig import parse_rig

TABLE = "table.safetensors"
CHUNK = 64


def make_tables(task: Task) -> BuiltBuild:
    """Make the tables of a task's vehicles unless the store has them; one that does not fit stops no other."""
    made, there = 0, 0
    unserved = []
    with (
        opened(task.store) as store,
        work_folder(store.scratch(), "tables") as folder,
    ):
        try:
            engine, build = _engine(store, task.build.key), _program(store, task.build.key, folder)
        except SpecializeError as error:
            return without_tables(task, str(error))
        for vehicle in task.members:
            try:
                fresh = _table(vehicle, task.profiles[vehicle.vehicle], engine, build, store)
            except SpecializeError as error:
                unserved.append(LeftOut(vehicle.vehicle, str(error)))
                continue
            made, there = made + fresh, there + 1
    built = done(task.build, "built" if made else "reused")
    return structs.replace(built, tables=there, unserved=tuple(unserved))


def without_tables(task: Task, reason: str) -> BuiltBuild:
    """Return a task whose vehicles have no tables, all for one reason."""
    unserved = tuple(LeftOut(name, reason) for name in task.profiles)
    return structs.replace(done(task.build, "reused"), unserved=unserved)


def read_table(store: Store, build: str, vehicle: Vehicle) -> bytes:
    """Return the tables of a vehicle's calibration, as a file of safetensors.

    Raises:
        InputError: The store does not have them, or they were damaged.
    """
    entry = store.find_entry(TABLE_KIND, table_key(build, vehicle))
    if entry is None:
        raise InputError(f"store {store.root}", "the tables of this vehicle", "none", "build the fleet again")
    return read_part(store, entry, TABLE)


def write_table(store: Store, build: str, vehicle: Vehicle, path: Path) -> None:
    """Write the tables of a vehicle's calibration to a file."""
    write_file(path, read_table(store, build, vehicle))


def _engine(store: Store, key: str) -> Entry:
    entry = store.find_entry(KIND, key)
    if entry is None:
        raise InputError(f"store {store.root}", f"build {key}", "none", "build the fleet again")
    return entry


def _program(store: Store, key: str, folder: Path) -> tuple[Build, Program]:
    """Return an engine as far as tables need it, and what makes them."""
    entry = _engine(store, key)
    names = [name for name in (PROGRAM, RELINK) if name + PACKED in entry.objects or name in entry.objects]
    for name in names:
        (folder / name).write_bytes(read_part(store, entry, name))
    if PREPARED_WEIGHTS in entry.objects:
        store.unpack(entry.objects[PREPARED_WEIGHTS], folder / PREPARED_WEIGHTS)
    build = Build(folder, parse_manifest(read_part(store, entry, FILE_NAME), entry.title))
    build.require_intact([name for name in (*names, PREPARED_WEIGHTS) if (folder / name).exists()])
    return build, program_of(build)


def _table(vehicle: Vehicle, text: str, engine: Entry, made_for: tuple[Build, Program], store: Store) -> bool:
    """Put the tables of one vehicle into the store; return whether there was something to do."""
    build, program = made_for
    profile = without(parse(text, vehicle.vehicle), vehicle.without)
    key = table_key(engine.key, vehicle)
    entry = store.find_entry(TABLE_KIND, key)
    if entry is not None and entry.info.get("build") == engine.info["manifest"] and is_intact(store, entry):
        return False
    metadata = metadata_of(profile, build.manifest.digests.build)
    contents = program.contents(profile)
    program.compare(profile, rig_without(parse_rig(text), vehicle.without), contents)
    data = tensors_bytes(contents, metadata)
    objects = {TABLE + PACKED: store.put_bytes(zlib.compress(data, 6))}
    info = {"build": engine.info["manifest"], "vehicle": vehicle.vehicle}
    store.write_entry(
        Entry(kind=TABLE_KIND, key=key, title=f"tables of {vehicle.vehicle}", objects=objects, info=info)
    )
    return True
