"""A fleet as one table: packed, compared, planned and unpacked as its folder is."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.table import GROUP, write_table
from specialize.calibration.table_row import row_of, schema_of
from specialize.errors import InputError, UsageError
from specialize.fleet import pack_rows
from specialize.fleet.differences import fleet_diff
from specialize.fleet.executors import executor_of
from specialize.fleet.importing import import_fleet
from specialize.fleet.load import fleet_files
from specialize.fleet.lock import default_lock, lock_of, read_lock, write_lock
from specialize.fleet.packing import pack_fleet, unpack_fleet
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest
from specialize.fleet.status import fleet_status
from specialize.text.record import to_json
from tests.calibration import authored
from tests.fleet.fleets import FOREIGN, mixed_fleet, write_fleet
from tests.fleet.test_survey import line, motley


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


def odd_rows() -> list[dict[str, Any]]:
    """Return rows of cars that a profile would not be written as: last rows, notes, zeros with a sign, digests."""
    rows = [row_of(one) for one in line(authored.CAR42, 16, 1, "odd")]
    rows[2]["lidar2ego"] = [*rows[2]["lidar2ego"][:12], 7.0, 7.0, 7.0, 7.0]
    rows[3]["notes"] = "checked"
    rows[4]["notes"] = "   "
    rows[5]["digest"] = bytes(32)
    rows[6]["cameras"][0]["intrinsic"] = [number or -0.0 for number in rows[6]["cameras"][0]["intrinsic"]]
    rows[7]["cameras"][0]["more"] = "time_offset_s: 0.0"
    rows[8]["cameras"][0]["more"] = "# nothing"
    for row in rows[9:]:
        row["cameras"][1]["more"] = "tolerance: {}"
    return rows


def test_a_table_is_packed_as_its_vehicles_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are those of one profile written after the other, whatever the rows are like that were read."""
    write_table(motley(), tmp_path / "motley.parquet")
    parquet.write_table(pa.Table.from_pylist(odd_rows(), schema=schema_of(pa)), tmp_path / "odd.parquet")
    both = [tmp_path / "motley.parquet", tmp_path / "odd.parquet"]
    found = pack_fleet(both, tmp_path / "at_once.parquet")
    paths = [path for table in both for path in fleet_files(table)]
    profiles = [load_profile(path) for path in paths if path not in {one.path for one in found.failed}]
    write_table(profiles, tmp_path / "alone.parquet")
    assert (tmp_path / "at_once.parquet").read_bytes() == (tmp_path / "alone.parquet").read_bytes()
    assert found.vehicles == len(profiles) and [one.path.name for one in found.failed] == [
        "odd_004",
        "odd_005",
    ]
    monkeypatch.setattr(pack_rows, "split", lambda chunk: ([], [*enumerate(fleet_files(chunk.table))]))
    assert pack_fleet(both, tmp_path / "split.parquet").failed == found.failed
    assert (tmp_path / "split.parquet").read_bytes() == (tmp_path / "alone.parquet").read_bytes()


def test_usual_rows_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a line of cars one row of each group is read as a profile; groups are as large as ever."""
    cars = line(authored.CAR42, GROUP + 40, 1, "car")
    write_table(cars, tmp_path / "cars.parquet")
    write_table(line(authored.VAN, 10, 1, "van"), tmp_path / "vans.parquet")
    read: list[Path] = []
    monkeypatch.setattr(pack_rows, "load_profile", lambda path: read.append(path) or load_profile(path))
    pack_fleet([tmp_path / "vans.parquet", tmp_path / "cars.parquet"], tmp_path / "both.parquet", jobs=1)
    assert len(read) == 3
    file = parquet.ParquetFile(tmp_path / "both.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [GROUP, 50]
    write_table([*line(authored.VAN, 10, 1, "van"), *cars], tmp_path / "alone.parquet")
    assert (tmp_path / "both.parquet").read_bytes() == (tmp_path / "alone.parquet").read_bytes()


def test_two_dask_workers_pack_import_and_compare_the_same(tmp_path: Path, store_dir: Path) -> None:
    """A table, profiles of another format, and the state of a fleet are those of one process, byte for byte."""
    pytest.importorskip("distributed")
    write_fleet(tmp_path / "cars", authored.CAR42, 3)
    sources = []
    for path in sorted((tmp_path / "cars").glob("*.yaml")):
        matrices = {"lidar2img": load_profile(path).image_from_lidar().tolist()}
        sources.append(tmp_path / f"{path.stem}.json")
        sources[-1].write_text(json.dumps(matrices))
    table = tmp_path / "cars.parquet"
    found: list[list[bytes]] = []
    for name, executor in (("here", None), ("there", "dask")):
        with executor_of("dask", jobs=2) if executor else contextlib.nullcontext() as workers:
            pack_fleet([tmp_path / "cars"], tmp_path / f"{name}.parquet", executor=workers)
            import_fleet(
                "lidar2img",
                sources,
                {"size": "1600x900"},
                tmp_path / f"imported_{name}.parquet",
                executor=workers,
            )
            if not table.exists():
                shutil.copyfile(tmp_path / "here.parquet", table)
                write_lock(
                    lock_of(plan_fleet(FleetRequest.of(folder=table, mode="tables"))), default_lock(table)
                )
            states = [
                fleet_status(table, default_lock(table), verify=True, executor=workers),
                fleet_status(tmp_path / "cars", default_lock(table), executor=workers),
            ]
        found.append(
            [(tmp_path / f"{part}{name}.parquet").read_bytes() for part in ("", "imported_")]
            + [json.dumps(to_json(one)).encode() for one in states]
        )
    assert found[0] == found[1]
