"""A fleet as one table: packed, compared, planned and unpacked as its folder is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.errors import InputError, UsageError
from specialize.fleet.differences import fleet_diff
from specialize.fleet.lock import default_lock, lock_of, read_lock, write_lock
from specialize.fleet.packing import pack_fleet, unpack_fleet
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest
from specialize.fleet.status import fleet_status
from tests.calibration import authored
from tests.fleet.fleets import FOREIGN, mixed_fleet, write_fleet


def test_a_table_is_planned_as_its_folder_is(tmp_path: Path) -> None:
    """Builds, members, digests and bounds are the same; only the paths of vehicles differ."""
    folder, table = mixed_fleet(tmp_path / "fleet"), tmp_path / "fleet.parquet"
    assert pack_fleet([folder], table).vehicles == 10
    plans = [
        plan_fleet(FleetRequest.of(folder=fleet, mode="tables", allow=FOREIGN)) for fleet in (folder, table)
    ]
    told = [
        [
            (build.key, build.lengths, [(one.vehicle, one.profile, one.plan) for one in build.members])
            for build in plan.builds
        ]
        for plan in plans
    ]
    assert told[0] == told[1]
    assert plans[0].at_least == plans[1].at_least
    assert {one.path.parent for build in plans[1].builds for one in build.members} == {table}


def test_vehicles_of_a_table_are_compared(tmp_path: Path) -> None:
    """The same distances from the same median as in a folder."""
    write_fleet(tmp_path / "cars", authored.CAR42, 5)
    pack_fleet([tmp_path / "cars"], tmp_path / "cars.parquet")
    folder, table = fleet_diff(tmp_path / "cars"), fleet_diff(tmp_path / "cars.parquet")
    for one, other in zip(folder.vehicles, table.vehicles, strict=True):
        assert one.vehicle == other.vehicle
        assert np.array_equal(one.values.round(6), other.values.round(6), equal_nan=True)


def test_the_lock_of_a_table_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names vehicles within the table, and `status` finds them there; a vehicle that left is unused."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))
    cars, table = tmp_path / "cars", tmp_path / "cars.parquet"
    write_fleet(cars, authored.CAR42, 3)
    pack_fleet([cars], table)
    place = default_lock(table)
    assert place == tmp_path / "cars.lock"
    write_lock(lock_of(plan_fleet(FleetRequest.of(folder=table, mode="tables"))), place)
    assert read_lock(place).vehicles["car_00002"].path == table / "car_00002"
    assert fleet_status(table, place).missing == 3
    (cars / "car_00002.yaml").unlink()
    pack_fleet([cars], table)
    status = fleet_status(table, place)
    assert (status.missing, status.unused) == (2, 1)


def test_unpacked_profiles_have_the_same_digests(tmp_path: Path) -> None:
    """There and back; a name with a slash becomes a file without one."""
    folder = mixed_fleet(tmp_path / "fleet")
    pack_fleet([folder], tmp_path / "fleet.parquet")
    unpacked = unpack_fleet(tmp_path / "fleet.parquet", tmp_path / "back")
    assert unpacked.vehicles == 10
    before = {load_profile(path).digest for path in folder.rglob("*.yaml")}
    assert {load_profile(path).digest for path in (tmp_path / "back").glob("*.yaml")} == before


def test_several_fleets_become_one(tmp_path: Path) -> None:
    """Folders and tables in turn; a second vehicle of one name is refused, and nothing is written."""
    for word in ("car", "van"):
        write_fleet(tmp_path / word, authored.CAR42, 2, word)
    pack_fleet([tmp_path / "car"], tmp_path / "car.parquet")
    both = pack_fleet([tmp_path / "car.parquet", tmp_path / "van"], tmp_path / "both.parquet")
    assert both.vehicles == 4
    with pytest.raises(InputError, match="a name other than that of"):
        pack_fleet([tmp_path / "car", tmp_path / "car.parquet"], tmp_path / "twice.parquet")
    assert not (tmp_path / "twice.parquet").exists()


def test_what_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    """One bad profile stops no other; a fleet of bad profiles writes nothing; a table has its suffix."""
    write_fleet(tmp_path / "cars", authored.CAR42, 2)
    (tmp_path / "cars" / "bad.yaml").write_text("schema: specialize/profile@1\n")
    packed = pack_fleet([tmp_path / "cars"], tmp_path / "cars.parquet")
    assert (packed.vehicles, [one.path.name for one in packed.failed]) == (2, ["bad.yaml"])
    (tmp_path / "worse").mkdir()
    (tmp_path / "worse" / "bad.yaml").write_text("schema: specialize/profile@1\n")
    with pytest.raises(InputError, match="a profile that can be used"):
        pack_fleet([tmp_path / "worse"], tmp_path / "worse.parquet")
    assert not (tmp_path / "worse.parquet").exists()
    with pytest.raises(UsageError, match=r"the name of a table, \*\.parquet"):
        pack_fleet([tmp_path / "cars"], tmp_path / "cars.csv")
