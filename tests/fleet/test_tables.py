"""Fleets that share an engine: one build, tables for every vehicle, and a recalibration that costs one table."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec import structs

from specialize.binding.make_tables import make_table
from specialize.fleet.build import build_fleet
from specialize.fleet.lock import NAME, lock_of, read_lock, write_lock
from specialize.fleet.plan import plan_fleet
from specialize.fleet.retention import builds_named
from specialize.fleet.status import fleet_status
from specialize.fleet.storage import KIND
from specialize.store import collect, open_store
from tests.calibration import authored
from tests.fleet.fleets import write_rig
from tests.fleet.test_build import entries, locked
from tests.fleet.test_status import recalibrate, states


def again(lock: Path) -> None:
    """Plan a fleet again with the same options."""
    write_lock(lock_of(plan_fleet(read_lock(lock).request, jobs=1)), lock)


def test_one_engine_serves_all_with_their_tables(tmp_path: Path, store_dir: Path) -> None:
    """Three cars get one engine, and each the tables that `specialize table` makes for it."""
    lock = locked(tmp_path, "tables", max_overhead=0.5)
    built = build_fleet(lock, output=tmp_path / "out")
    assert (built.exit_code, [(build.status, build.tables) for build in built.builds]) == (0, [("built", 3)])
    folder = built.builds[0].folder
    assert folder is not None
    for number in (1, 2, 3):
        name = f"car_{number:05}"
        make_table(folder, lock.parent / f"{name}.yaml", tmp_path / "own.safetensors")
        assert (tmp_path / "out" / f"{name}.safetensors").read_bytes() == (
            tmp_path / "own.safetensors"
        ).read_bytes()
    assert set(states(fleet_status(lock.parent, lock)).values()) == {"fresh"}


def test_a_recalibration_that_fits_costs_one_table(tmp_path: Path, store_dir: Path) -> None:
    """A camera that moved within the spare room needs no other engine; until its table is made it is stale."""
    lock = locked(tmp_path, "tables", max_overhead=1.0, spare=0.5)
    build_fleet(lock)
    engines = entries(open_store())
    recalibrate(lock.parent, 0.3)
    status = fleet_status(lock.parent, lock)
    assert states(status)["car_00002"] == "stale"
    assert status.vehicles[1].reason == "its tables must be made again; they fit its build"
    write_lock(lock_of(plan_fleet(read_lock(lock).request, jobs=1)), lock)
    assert states(fleet_status(lock.parent, lock))["car_00002"] in ("missing", "fresh")
    built = build_fleet(lock)
    assert built.exit_code == 0
    assert entries(open_store()).items() >= engines.items()
    assert set(states(fleet_status(lock.parent, lock)).values()) == {"fresh"}


def test_a_second_run_makes_no_table(tmp_path: Path, store_dir: Path) -> None:
    """Engine and tables are reused; a lost table alone is made again."""
    lock = locked(tmp_path, "tables", max_overhead=0.5)
    build_fleet(lock)
    assert [build.status for build in build_fleet(lock).builds] == ["reused"]
    store = open_store()
    store.discard_entry(*next(store.names("table")))
    assert list(states(fleet_status(lock.parent, lock)).values()).count("missing") == 1
    assert [(build.status, build.tables) for build in build_fleet(lock).builds] == [("built", 3)]
    assert set(states(fleet_status(lock.parent, lock)).values()) == {"fresh"}


def test_tables_of_another_engine_are_not_those_of_this_one(tmp_path: Path, store_dir: Path) -> None:
    """Tables belong to the build that they were made for: where its key has another one, they are missing."""
    lock = locked(tmp_path, "tables", max_overhead=0.5)
    build_fleet(lock)
    store = open_store()
    ((kind, key),) = store.names(KIND)
    entry = store.read_entry(kind, key)
    store.write_entry(structs.replace(entry, info={**entry.info, "manifest": f"sha256:{7:064x}"}))
    found = fleet_status(lock.parent, lock)
    assert {one.reason for one in found.vehicles} == {"its tables are not in the store"}
    assert set(states(found).values()) == {"missing"}


def test_a_vehicle_that_does_not_fit_stops_no_other(tmp_path: Path, store_dir: Path) -> None:
    """A vehicle that sees more than the engine has room for is left out with the reason; the others get tables."""
    lock = locked(tmp_path, "tables", max_overhead=0.5)
    build_fleet(lock)
    text = lock.read_text()
    write_rig(lock.parent, authored.assembled(authored.WIDE4, "car_00003"))
    write_rig(
        lock.parent, authored.knocked(authored.assembled(authored.CAR42, "car_00002"), "CAM_FRONT", 25.0)
    )
    again(lock)
    new = next(json.loads(line) for line in lock.read_text().splitlines() if '"vehicle": "car_00002"' in line)
    lines = [json.loads(line) for line in text.splitlines()]
    (engine,) = (line["build"] for line in lines if "made_from" in line)
    forged = [new | {"build": engine} if line.get("vehicle") == "car_00002" else line for line in lines]
    lock.write_text("\n".join(map(json.dumps, forged)))
    built = build_fleet(lock)
    assert built.exit_code == 1
    reasons = {one.vehicle: one.reason for one in built.left_out}
    assert set(reasons) == {"car_00002", "car_00003"}
    assert "too many" in reasons["car_00002"]
    assert built.builds[0].tables == 1


def test_collection_removes_tables_of_vehicles_that_left(tmp_path: Path, store_dir: Path) -> None:
    """A vehicle that left the fleet takes its tables along, at the next collection."""
    lock = locked(tmp_path, "tables", max_overhead=0.5)
    build_fleet(lock)
    store = open_store()
    (lock.parent / "car_00003.yaml").unlink()
    again(lock)
    build_fleet(lock)
    collect(store, builds_named(store), dry_run=False, grace_s=-1)
    assert len(entries(store, "table")) == 2
    assert set(states(fleet_status(lock.parent, lock)).values()) == {"fresh"}
    assert lock.name == NAME
