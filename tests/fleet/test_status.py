"""The state of a fleet: fresh, stale, missing and unused vehicles, with their reasons."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.errors import InputError
from specialize.fleet.build import build_fleet
from specialize.fleet.lock import NAME, lock_of, write_lock
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest, PlanMode
from specialize.fleet.status import FleetStatus, fleet_status
from specialize.store import open_store
from tests.calibration import authored
from tests.end_to_end.tiny_model import write_tiny
from tests.fleet.fleets import write_rig
from tests.fleet.test_build import locked


def states(status: FleetStatus) -> dict[str, str]:
    """Return the state of every vehicle."""
    return {one.vehicle: one.state for one in status.vehicles}


def reason_of(status: FleetStatus, vehicle: str) -> str:
    """Return the reason of a vehicle's state."""
    return next(one.reason for one in status.vehicles if one.vehicle == vehicle)


def recalibrate(folder: Path, degrees: float, vehicle: str = "car_00002") -> None:
    """Turn the rear camera of a vehicle."""
    write_rig(folder, authored.knocked(authored.assembled(authored.CAR42, vehicle), "CAM_BACK", degrees))


def test_a_fleet_is_missing_then_fresh(tmp_path: Path, store_dir: Path) -> None:
    """Planned but not built is missing, built is fresh, and both exit 0."""
    lock = locked(tmp_path)
    before = fleet_status(lock.parent, lock)
    assert (set(states(before).values()), before.exit_code) == ({"missing"}, 0)
    build_fleet(lock)
    after = fleet_status(lock.parent, lock)
    assert (set(states(after).values()), after.exit_code) == ({"fresh"}, 0)


@pytest.mark.parametrize("mode", ["exact", "tables"])
def test_damage_in_the_store_is_told_and_made_again(tmp_path: Path, store_dir: Path, mode: PlanMode) -> None:
    """One flipped bit in any object or entry that a fleet names is `damaged` with exit 1; building it again repairs."""
    lock = locked(tmp_path, mode)
    build_fleet(lock)
    store = open_store()
    entries = [entry for entry in store.entries() if entry.kind in ("build", "table")]
    for entry in entries:
        for digest in entry.objects.values():
            flip(store.locate(digest))
            status = fleet_status(lock.parent, lock)
            assert (status.damaged > 0, status.exit_code) == (True, 1)
            assert digest.removeprefix("sha256:")[2:] in next(
                one.reason for one in status.vehicles if one.state == "damaged"
            )
            flip(store.locate(digest))
    for path in store.entry_files():
        if path.parent.name in ("build", "table"):
            flip(path)
            assert fleet_status(lock.parent, lock).exit_code == 1
            flip(path)
    for digest in {d for entry in entries for name, d in entry.objects.items() if name.endswith(".z")}:
        flip(store.locate(digest))
    assert not [one for one in build_fleet(lock).builds if one.status != "built"]
    assert set(states(fleet_status(lock.parent, lock)).values()) == {"fresh"}


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_every_state_is_told_apart(tmp_path: Path, store_dir: Path) -> None:
    """A moved camera, a new vehicle and a removed one are stale, missing and unused; stale exits 3."""
    lock = locked(tmp_path)
    build_fleet(lock)
    recalibrate(lock.parent, 1.0)
    write_rig(lock.parent, authored.assembled(authored.CAR42, "new"))
    (lock.parent / "car_00003.yaml").unlink()
    status = fleet_status(lock.parent, lock)
    assert states(status) == {
        "car_00001": "fresh", "car_00002": "stale", "car_00003": "unused", "new": "missing",
    }  # fmt: skip
    assert status.exit_code == 3
    assert reason_of(status, "car_00002") == "CAM_BACK moved by 17.5 mrad and 0 mm"
    assert "not in the lock" in reason_of(status, "new")


def test_a_lidar_that_moved_in_the_vehicles_frame_matters_to_models_that_are_fed_it(
    tmp_path: Path, store_dir: Path
) -> None:
    """The profile's digest leaves out the vehicle's frame; if a model reads it, the vehicle is stale nevertheless."""
    model = write_tiny(tmp_path / "model")
    sidecar = model.with_suffix(".model.yaml")
    sidecar.write_text(
        sidecar.read_text().replace("{lidar2img: lidar2img}", "{lidar2img: lidar2img, frame: lidar2ego}")
    )
    fleet = tmp_path / "fleet"
    path = write_rig(fleet, authored.CAR42)
    write_lock(
        lock_of(plan_fleet(FleetRequest.of(folder=fleet, model=str(model), mode="exact"))), fleet / NAME
    )
    assert states(fleet_status(fleet, fleet / NAME)) == {"car42": "missing"}
    profile = load_profile(path)
    assert profile.ego_from_lidar is not None
    moved = profile.ego_from_lidar.copy()
    moved[2, 3] += 0.1
    path.write_text(dump_profile(dataclasses.replace(profile, ego_from_lidar=moved)))
    assert load_profile(path).digest == profile.digest
    assert states(fleet_status(fleet, fleet / NAME)) == {"car42": "stale"}


def test_other_cameras_are_stale(tmp_path: Path, store_dir: Path) -> None:
    """A vehicle that got another set of cameras is stale, whatever its build binds."""
    for mode in ("exact", "envelope"):
        lock = locked(tmp_path / mode, mode, max_overhead=0.5)
        build_fleet(lock)
        other = authored.assembled(authored.WIDE4, "car_00001")
        write_rig(lock.parent, other)
        status = fleet_status(lock.parent, lock)
        assert states(status)["car_00001"] == "stale"
        assert reason_of(status, "car_00001") == "it has other cameras"


@pytest.mark.parametrize(("degrees", "state"), [(0.02, "fresh"), (15.0, "stale")])
def test_an_envelope_forgives_what_stays_inside(
    tmp_path: Path, store_dir: Path, degrees: float, state: str
) -> None:
    """A camera that moved inside its envelope needs nothing; one that left it needs another build."""
    lock = locked(tmp_path, "envelope", max_overhead=0.5, tolerance="rotation=2mrad")
    build_fleet(lock)
    recalibrate(lock.parent, degrees)
    status = fleet_status(lock.parent, lock)
    assert states(status)["car_00002"] == state
    assert "side" in reason_of(status, "car_00002")


@pytest.mark.parametrize("mode", ["exact", "envelope"])
def test_a_moved_camera_without_a_build_is_stale(tmp_path: Path, store_dir: Path, mode: PlanMode) -> None:
    """If the store has no build, a changed profile is stale nevertheless."""
    lock = locked(tmp_path, mode, max_overhead=0.5)
    recalibrate(lock.parent, 0.02)
    assert states(fleet_status(lock.parent, lock))["car_00002"] == "stale"


def test_a_broken_profile_is_neither_unused_nor_silent(tmp_path: Path, store_dir: Path) -> None:
    """A profile that cannot be read is reported as such and exits 1."""
    lock = locked(tmp_path)
    (lock.parent / "car_00002.yaml").write_text("schema: [")
    status = fleet_status(lock.parent, lock)
    assert "car_00002" not in states(status)
    assert [failed.path.name for failed in status.failed] == ["car_00002.yaml"]
    assert status.exit_code == 1


def test_a_fleet_without_a_lock_has_no_state(tmp_path: Path, store_dir: Path) -> None:
    """Without a lock the error says how to make one."""
    with pytest.raises(InputError, match="fleet plan"):
        fleet_status(tmp_path, tmp_path / NAME)
