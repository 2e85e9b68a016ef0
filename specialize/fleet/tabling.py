"""Tables of the vehicles that share an engine: made many at a time, kept in the store beside it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.artifact.build import Build
from specialize.artifact.manifest import FILE_NAME, parse_manifest
from specialize.artifact.tensors import tensors_bytes
from specialize.binding.table_inputs import Program, program_of
from specialize.binding.table_program import PROGRAM, RELINK, metadata_of
from specialize.compiler.generic import PREPARED_WEIGHTS
from specialize.errors import InputError, SpecializeError
from specialize.files.atomic import write_file
from specialize.files.scratch import work_folder
from specialize.fleet.kept import TABLE_KIND, table_key
from specialize.fleet.parts import KIND, PACKED, read_part
from specialize.fleet.task import Car, opened, profile_of
from specialize.store import Entry, Store, is_intact
from specialize.witness.rig import parse_rig

TABLE = "table.safetensors"
CHUNK = 64


@dataclass(frozen=True, slots=True)
class TablesTask:
    """Some vehicles of one engine: its key in the store, the vehicles, and the store."""

    build: str
    cars: tuple[Car, ...]
    store: str


@dataclass(frozen=True, slots=True)
class Tabled:
    """What became of them: the engine, how many tables were made and reused, and why others were not."""

    build: str
    made: int
    reused: int
    failed: tuple[tuple[str, str], ...]


def chunks(build: str, cars: Sequence[Car], store: str) -> Iterator[TablesTask]:
    """Yield tasks that many workers can share."""
    for start in range(0, len(cars), CHUNK):
        yield TablesTask(build, tuple(cars[start : start + CHUNK]), store)


def make_tables(task: TablesTask) -> Tabled:
    """Make the tables of some vehicles unless the store has them; a vehicle that does not fit stops no other."""
    made = reused = 0
    failed = []
    with (
        opened(task.store) as store,
        work_folder(store.scratch(), "tables") as folder,
    ):
        try:
            engine, build = _engine(store, task.build), _program(store, task.build, folder)
        except SpecializeError as error:
            return Tabled(task.build, 0, 0, tuple((car.vehicle, str(error)) for car in task.cars))
        for car in task.cars:
            try:
                fresh = _table(car, engine, build, store)
            except SpecializeError as error:
                failed.append((car.vehicle, str(error)))
                continue
            made, reused = made + fresh, reused + (not fresh)
    return Tabled(task.build, made, reused, tuple(failed))


def read_table(store: Store, build: str, profile: str, calibration: str) -> bytes:
    """Return the tables of a calibration, as a file of safetensors.

    Raises:
        InputError: The store does not have them, or they were damaged.
    """
    entry = store.find_entry(TABLE_KIND, table_key(build, profile, calibration))
    if entry is None:
        raise InputError(f"store {store.root}", "the tables of this vehicle", "none", "build the fleet again")
    return read_part(store, entry, TABLE)


def write_table(store: Store, build: str, profile: str, calibration: str, path: Path) -> None:
    """Write the tables of a calibration to a file."""
    write_file(path, read_table(store, build, profile, calibration))


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


def _table(car: Car, engine: Entry, made_for: tuple[Build, Program], store: Store) -> bool:
    """Put the tables of one vehicle into the store; return whether there was something to do."""
    build, program = made_for
    profile = profile_of(car)
    key = table_key(engine.key, profile.digest, car.calibration)
    entry = store.find_entry(TABLE_KIND, key)
    if entry is not None and entry.info.get("build") == engine.info["manifest"] and is_intact(store, entry):
        return False
    metadata = metadata_of(profile, build.manifest.digests.build)
    contents = program.contents(profile)
    program.compare(profile, parse_rig(car.profile), contents)
    data = tensors_bytes(contents, metadata)
    objects = {TABLE + PACKED: store.put_bytes(zlib.compress(data, 6))}
    info = {"build": engine.info["manifest"], "vehicle": car.vehicle}
    store.write_entry(
        Entry(kind=TABLE_KIND, key=key, title=f"tables of {car.vehicle}", objects=objects, info=info)
    )
    return True
