"""The state of a fleet that is a table: as that of its folder, from digests alone where nothing moved."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from specialize.calibration import table as table_module
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.calibration.table import write_table
from specialize.cli.render_fleet_build import status_text
from specialize.errors import InputError
from specialize.fleet import status as status_module
from specialize.fleet import status_columns, survey, verified_rows
from specialize.fleet.build import build_fleet
from specialize.fleet.lock import default_lock, lock_of, read_outline, write_lock
from specialize.fleet.packing import pack_fleet
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest, PlanMode
from specialize.fleet.status import FleetStatus, fleet_status
from specialize.store import open_store
from tests.calibration import authored
from tests.end_to_end.tiny_model import write_tiny
from tests.fleet.fleets import write_fleet, write_rig
from tests.fleet.test_build import statuses
from tests.fleet.test_status import flip, reason_of, recalibrate, states


def tabled(folder: Path, mode: PlanMode = "exact", count: int = 3, **options: object) -> Path:
    """Plan a fleet of the tiny model that is a table, packed from `folder / cars`, and return the table."""
    model = write_tiny(folder / "model")
    write_fleet(folder / "cars", authored.CAR42, count)
    table = packed(folder)
    request = FleetRequest.of(folder=table, model=str(model), mode=mode, frames=1, **options)  # type: ignore[arg-type]
    write_lock(lock_of(plan_fleet(request, jobs=1)), default_lock(table))
    return table


def packed(folder: Path) -> Path:
    """Pack the profiles of `folder / cars` anew."""
    pack_fleet([folder / "cars"], folder / "cars.parquet")
    return folder / "cars.parquet"


def status_of(table: Path) -> FleetStatus:
    """Return the state of a table."""
    return fleet_status(table, default_lock(table), jobs=1)


def counts(status: FleetStatus) -> tuple[int, ...]:
    """Return how many vehicles are in each state, and how many rows are unreadable."""
    found = status
    return found.fresh, found.stale, found.missing, found.damaged, found.unused, found.unreadable


def test_missing_then_fresh_without_a_profile_being_read(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned but not built is missing, built is fresh; the digests of the tables are enough."""
    table = tabled(tmp_path)
    assert counts(status_of(table)) == (0, 0, 3, 0, 0, 0)
    build_fleet(default_lock(table))
    monkeypatch.setattr(status_columns, "over_paths", None)
    monkeypatch.setattr(status_columns, "over_profiles", None)
    found = status_of(table)
    assert (counts(found), found.vehicles, found.exit_code) == ((3, 0, 0, 0, 0, 0), (), 0)


@pytest.mark.parametrize("mode", ["exact", "envelope", "tables"])
def test_states_and_reasons_are_those_of_the_folder(tmp_path: Path, store_dir: Path, mode: PlanMode) -> None:
    """A moved camera, a new vehicle and a removed one, as a folder says it; inside its envelope one stays fresh."""
    table = tabled(
        tmp_path, mode, count=4, max_overhead=0.5, tolerance="rotation=2mrad" if mode == "envelope" else ""
    )
    build_fleet(default_lock(table), tables=True)
    request = FleetRequest.of(
        folder=tmp_path / "cars", model=str(tmp_path / "model" / "tiny.onnx"), mode=mode, frames=1,
        max_overhead=0.5, tolerance="rotation=2mrad" if mode == "envelope" else "",
    )  # fmt: skip
    lock = tmp_path / "cars.lines"
    write_lock(lock_of(plan_fleet(request, jobs=1)), lock)
    recalibrate(tmp_path / "cars", 15.0)
    recalibrate(tmp_path / "cars", 0.02, "car_00004")
    write_rig(tmp_path / "cars", authored.assembled(authored.CAR42, "new"))
    (tmp_path / "cars" / "car_00003.yaml").unlink()
    packed(tmp_path)
    folder, columns = fleet_status(tmp_path / "cars", lock), status_of(table)
    assert counts(columns) == counts(folder)
    told = {one.vehicle: (one.state, one.reason) for one in folder.vehicles if one.reason}
    assert set(told) >= {"car_00002", "car_00003", "car_00004", "new"}
    for one in columns.vehicles:
        state, reason = told[one.vehicle]
        assert one.state == state
        if state != "unused":
            assert one.reason == reason
    assert set(states(columns)) == set(told)
    assert columns.exit_code == 3


def test_a_damaged_build_is_told_of_all_its_vehicles(tmp_path: Path, store_dir: Path) -> None:
    """One flipped bit in the store makes the vehicles of that build damaged, and the exit code 1."""
    table = tabled(tmp_path, "tables")
    build_fleet(default_lock(table))
    store = open_store()
    (entry,) = [entry for entry in store.entries() if entry.kind == "build"]
    flip(store.locate(next(iter(entry.objects.values()))))
    found = status_of(table)
    assert (counts(found), found.exit_code) == ((0, 0, 0, 3, 0, 0), 1)
    (build,) = found.builds
    assert (build.state, build.vehicles, found.vehicles) == ("damaged", 3, ())
    assert "store check --repair" in build.reason


def test_a_missing_build_is_told_once(tmp_path: Path, store_dir: Path) -> None:
    """A build that is not in the store is one line with the number of its vehicles, of a table and of a folder."""
    table = tabled(tmp_path, "tables", 5)
    whole = plan_fleet(read_outline(default_lock(table))[0].request, jobs=1)
    write_lock(
        lock_of(
            dataclasses.replace(whole, request=dataclasses.replace(whole.request, folder=tmp_path / "cars"))
        ),
        tmp_path / "cars" / "fleet.lock",
    )
    for found in (
        status_of(table),
        fleet_status(tmp_path / "cars", tmp_path / "cars" / "fleet.lock", jobs=1),
    ):
        assert [(one.state, one.vehicles) for one in found.builds] == [("missing", 5)]
        text = "\n".join(str(part) for part in status_text(found))
        assert "5 vehicles: its build is not in the store" in text
        assert "car_0000" not in text


def edited(table: Path, rows: list[int]) -> None:
    """Move the first camera of some rows without a new digest."""
    whole = parquet.read_table(table)
    listed = whole.to_pylist()
    for row in rows:
        listed[row]["cameras"][0]["lidar2cam"][3] += 0.001
    parquet.write_table(pa.Table.from_pylist(listed, schema=whole.schema), table, row_group_size=2)


def test_rows_that_are_not_what_they_state_are_found(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited row is found by `verify` wherever it is, else where the sample looks; the output says how many rows."""
    monkeypatch.setattr(survey, "GROUP", 2)
    monkeypatch.setattr(table_module, "GROUP", 2)
    monkeypatch.setattr(verified_rows, "GROUPS", 2)
    table = tabled(tmp_path, count=7)
    edited(table, [])
    found = status_of(table)
    assert (counts(found), found.verified) == ((0, 0, 7, 0, 0, 0), 3)
    assert "digests of 3 rows computed anew; --verify" in "\n".join(map(str, status_text(found)))
    edited(table, [2, 6])
    sampled, every = status_of(table), fleet_status(table, default_lock(table), jobs=1, verify=True)
    assert (sampled.missing, sampled.unreadable, sampled.verified) == (6, 1, 3)
    assert (every.missing, every.unreadable, every.verified) == (5, 2, 7)
    assert [one.path.name for one in every.failed] == ["car_00003", "car_00007"]
    assert "digest" in every.failed[0].reason
    assert "--verify" not in "\n".join(map(str, status_text(every)))


def test_rows_that_cannot_be_read_are_counted(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flipped bit in any column spoils its group of rows; all of them are counted, one place is named."""
    monkeypatch.setattr(table_module, "GROUP", 2)
    table = tabled(tmp_path, count=5)
    matrices = parquet.ParquetFile(table).metadata.row_group(1)
    column = next(
        matrices.column(number)
        for number in range(matrices.num_columns)
        if "intrinsic" in matrices.column(number).path_in_schema
    )
    data = bytearray(table.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    table.write_bytes(data)
    found = status_of(table)
    assert (found.missing, found.unused, found.unreadable, found.exit_code) == (3, 2, 2, 1)
    (failed,) = found.failed
    assert failed.path == table / "rows 3 to 4"
    assert "no row that can be read" in reason_of(found, "car_00003")


def test_rows_without_a_name_or_a_digest_are_counted(tmp_path: Path, store_dir: Path) -> None:
    """A row from elsewhere is none of a fleet's without them; a table of such rows is an error."""
    table = tabled(tmp_path)
    whole = parquet.read_table(table)
    blank = whole.set_column(
        1, whole.schema.field(1), pa.array([None, *whole["digest"].to_pylist()[1:]], pa.binary(32))
    )
    parquet.write_table(blank, table)
    found = status_of(table)
    assert (found.missing, found.unused, found.unreadable) == (2, 1, 1)
    parquet.write_table(blank.slice(0, 1), table)
    with pytest.raises(InputError, match="at least one vehicle"):
        status_of(table)


def test_lists_have_an_end_and_counts_do_not(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so many vehicles are named, moved ones first of all looked at only as far as they are named."""
    table = tabled(tmp_path, "tables", count=5)
    build_fleet(default_lock(table))
    for number in range(1, 5):
        recalibrate(tmp_path / "cars", 15.0, f"car_0000{number}")
    packed(tmp_path)
    monkeypatch.setattr(status_module, "LISTED", 2)
    found = status_of(table)
    assert counts(found) == (1, 4, 0, 0, 0, 0)
    assert list(states(found)) == ["car_00001", "car_00002"]


def test_a_second_row_of_a_vehicle_is_refused(tmp_path: Path, store_dir: Path) -> None:
    """A fleet's rows name vehicles, each once."""
    table = tabled(tmp_path)
    one = load_profile(tmp_path / "cars" / "car_00001.yaml")
    write_table([one, one], table)
    with pytest.raises(InputError, match="several for 'car_00001'"):
        status_of(table)


def test_a_frame_that_moved_matters_to_models_that_are_fed_it(tmp_path: Path, store_dir: Path) -> None:
    """The digest in the table leaves out the vehicle's frame; for such a model every profile is read."""
    table = tabled(tmp_path)
    sidecar = tmp_path / "model" / "tiny.model.yaml"
    sidecar.write_text(
        sidecar.read_text().replace("{lidar2img: lidar2img}", "{lidar2img: lidar2img, frame: lidar2ego}")
    )
    model = tmp_path / "model" / "tiny.onnx"
    request = FleetRequest.of(folder=table, model=str(model), mode="exact")
    write_lock(lock_of(plan_fleet(request, jobs=1)), default_lock(table))
    assert counts(status_of(table)) == (0, 0, 3, 0, 0, 0)
    path = tmp_path / "cars" / "car_00002.yaml"
    profile = load_profile(path)
    assert profile.ego_from_lidar is not None
    moved = profile.ego_from_lidar.copy()
    moved[2, 3] += 0.1
    path.write_text(dump_profile(dataclasses.replace(profile, ego_from_lidar=moved)))
    packed(tmp_path)
    found = status_of(table)
    assert counts(found) == (0, 1, 2, 0, 0, 0)
    assert states(found)["car_00002"] == "stale"


def test_an_engine_of_a_table_is_built_without_the_tables_of_its_vehicles(
    tmp_path: Path, store_dir: Path
) -> None:
    """Cars make their tables themselves, unless they are asked for; the engine is the same."""
    table = tabled(tmp_path, "tables")
    built = build_fleet(default_lock(table))
    kinds = collections.Counter(entry.kind for entry in open_store().entries())
    assert statuses(built) == ["built"]
    assert (kinds["build"], kinds["table"], built.builds[0].tables) == (1, 0, 0)
    assert built.builds[0].vehicles == ("car_00001", "car_00002", "car_00003")
    again = build_fleet(default_lock(table), tables=True)
    kinds = collections.Counter(entry.kind for entry in open_store().entries())
    assert (again.builds[0].status, kinds["build"], kinds["table"]) == ("built", 1, 3)
