"""Rigs with cameras off, built and looked after: as `build --without`, `table --without` and `check --without`."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.artifact import Build
from specialize.binding.make_tables import make_table
from specialize.calibration.load import load_profile
from specialize.calibration.off import cameras_off, without
from specialize.explain.drift import check
from specialize.fleet.build import build_fleet
from specialize.fleet.lock import default_lock
from specialize.fleet.retention import builds_named
from specialize.fleet.status import fleet_status
from specialize.store import collect, open_store
from tests.fleet.test_build import locked, statuses
from tests.fleet.test_status import reason_of, recalibrate, states
from tests.fleet.test_status_columns import packed, tabled

CAR = "car_00001"
CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
RIGS = {CAR, *(f"{CAR}-without-{camera}" for camera in CAMERAS)}


def test_exact_builds_are_there_before_a_camera_dies(tmp_path: Path, store_dir: Path) -> None:
    """Each is that of the profile without the camera, in a folder named so, and fresh for the car once it is off."""
    lock = locked(tmp_path, "exact", count=1, subsets=1)
    built = build_fleet(lock, output=tmp_path / "out")
    assert statuses(built) == ["built"] * 7 and built.ok
    assert {one.folder.name for one in built.builds if one.folder} == RIGS
    assert {one.proof for one in built.builds} == {"whole", "sites"}
    calib = lock.parent / f"{CAR}.yaml"
    for camera in CAMERAS:
        folder = tmp_path / "out" / f"{CAR}-without-{camera}"
        made = Build.intact(folder)
        assert made.manifest.digests.profile == without(load_profile(calib), (camera,)).digest
        assert cameras_off(made.calibration()) == (camera,)
        assert check(folder, calib, (camera,)).fresh and not check(folder, calib).fresh
    assert statuses(build_fleet(lock)) == ["reused"] * 7


def test_tables_of_every_rig_are_beside_the_engine(tmp_path: Path, store_dir: Path) -> None:
    """They are what `table --without` makes for the engine, byte for byte, and garbage collection keeps them."""
    lock = locked(tmp_path, "tables", count=1, subsets=1)
    built = build_fleet(lock, output=tmp_path / "out")
    assert (statuses(built), built.builds[0].tables, built.ok) == (["built"], 7, True)
    engine = built.builds[0].folder
    assert engine is not None
    for camera in CAMERAS:
        table = tmp_path / "out" / f"{CAR}-without-{camera}.safetensors"
        make_table(engine, lock.parent / f"{CAR}.yaml", tmp_path / "own.safetensors", off=(camera,))
        assert table.read_bytes() == (tmp_path / "own.safetensors").read_bytes()
    store = open_store()
    assert collect(store, builds_named(store), dry_run=True, grace_s=-60).entries == ()
    assert set(states(fleet_status(lock.parent, lock)).values()) == {"fresh"}


@pytest.mark.parametrize("mode", ["exact", "tables", "envelope"])
def test_the_state_of_each_rig_is_its_own(tmp_path: Path, store_dir: Path, mode: str) -> None:
    """A camera that moved makes every rig stale but the one without it; a folder and a table agree."""
    lock = locked(tmp_path / "files", mode, count=1, subsets=1)  # type: ignore[arg-type]
    assert set(states(fleet_status(lock.parent, lock))) == RIGS
    build_fleet(lock)
    recalibrate(lock.parent, 3.0, CAR)
    found = fleet_status(lock.parent, lock)
    assert {name for name, state in states(found).items() if state == "fresh"} == {f"{CAR}-without-CAM_BACK"}
    assert (found.stale, found.exit_code) == (6, 3)
    table = tabled(tmp_path, mode, count=1, subsets=1)  # type: ignore[arg-type]
    build_fleet(default_lock(table), tables=True)
    same = fleet_status(table, default_lock(table))
    assert (same.fresh, same.total, same.vehicles) == (7, 7, ())
    recalibrate(tmp_path / "cars", 3.0, CAR)
    packed(tmp_path)
    moved = fleet_status(table, default_lock(table))
    assert {name: state for name, state in states(moved).items() if state != "fresh"} == {
        name: state for name, state in states(found).items() if state != "fresh"
    }
    assert (moved.fresh, moved.stale) == (found.fresh, found.stale)


def test_a_vehicle_that_is_gone_or_has_other_cameras(tmp_path: Path, store_dir: Path) -> None:
    """Its rigs are unused; those without a camera that it has not any more are stale."""
    lock = locked(tmp_path, "tables", count=2, subsets=1)
    build_fleet(lock)
    calib = lock.parent / f"{CAR}.yaml"
    text = calib.read_text()
    calib.write_text(text.replace("CAM_BACK_RIGHT", "CAM_TAIL"))
    found = fleet_status(lock.parent, lock)
    assert states(found)[f"{CAR}-without-CAM_BACK_RIGHT"] == "stale"
    assert reason_of(found, f"{CAR}-without-CAM_BACK_RIGHT") == "it has other cameras"
    calib.unlink()
    gone = fleet_status(lock.parent, lock)
    assert (gone.unused, gone.fresh) == (7, 7)
