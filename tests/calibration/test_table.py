"""A table of profiles gives back every profile with all its bits, and notices what was changed in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from specialize.calibration import table
from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.folder import profile_files
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import Vehicles, place_of, write_table
from specialize.calibration.tolerance import Tolerance
from specialize.errors import InputError
from specialize.files.resources import resource_dir

PACKAGED = sorted(resource_dir("calib_profiles").glob("*.yaml"))


def renamed(count: int) -> list[CalibrationProfile]:
    """Return vehicles of one calibration under names that paths have to quote."""
    one = load_profile(PACKAGED[0])
    return [dataclasses.replace(one, vehicle=f"van/{number} 50% ü") for number in range(count)]


def crooked() -> CalibrationProfile:
    """Return a vehicle with everything that a profile may say of a camera, in numbers that decimals do not hold."""
    random = np.random.default_rng(7)
    matrix = np.vstack([random.normal(size=(3, 4)) * 700, [0.0, 0.0, 0.0, 1.0]])
    lens = Distortion("plumb_bob", tuple(random.normal(size=5) / 3))
    slack = Tolerance(rotation_deg=0.1 + 0.2, time_skew_s=1e-17)
    camera = Camera.projective(
        "one", (1600, 901), matrix, distortion=lens, time_offset_s=-1 / 3, tolerance=slack
    )
    return CalibrationProfile("crooked", (camera,), notes="a: 'b'\nc")


def test_every_profile_comes_back_with_all_its_bits(tmp_path: Path) -> None:
    """Lenses, distortions, tolerances, offsets, notes and the vehicle's frame are the same to the bit."""
    before = [load_profile(path) for path in PACKAGED] + [crooked()]
    assert write_table(before, tmp_path / "fleet.parquet").rows == len(before)
    after = [load_profile(path) for path in Vehicles(tmp_path / "fleet.parquet")]
    for one, other in zip(before, after, strict=True):
        assert (other.vehicle, other.notes, other.digest) == (one.vehicle, one.notes, one.digest)
        assert np.array_equal(other.image_from_lidar(), one.image_from_lidar())
        assert (other.ego_from_lidar is None) == (one.ego_from_lidar is None)
        if one.ego_from_lidar is not None:
            assert np.array_equal(other.ego_from_lidar, one.ego_from_lidar)


def test_vehicles_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    """Over several groups, forwards and backwards; a name with `/` and `%` is one path below the table."""
    path = tmp_path / "fleet.parquet"
    vehicles = renamed(table.GROUP + 2)
    write_table(vehicles, path)
    places = Vehicles(path)
    assert len(places) == len(vehicles)
    assert all(place.parent == path for place in places[:3])
    for index in (0, table.GROUP + 1, 1, table.GROUP, table.GROUP - 1):
        assert places[index] == place_of(path, vehicles[index].vehicle)
        assert load_profile(places[index]).vehicle == vehicles[index].vehicle
    assert profile_files([path])[-1] == places[-1]


def test_a_table_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    """What an earlier file said of a name is not kept."""
    path = tmp_path / "fleet.parquet"
    first, second = (dataclasses.replace(load_profile(one), vehicle="car") for one in PACKAGED[:2])
    for profile in (first, second):
        write_table([profile], path)
        assert load_profile(path / "car").digest == profile.digest


def test_a_number_that_was_changed_is_noticed(tmp_path: Path) -> None:
    """A row whose numbers do not have the row's digest is rejected, whoever wrote it."""
    path = tmp_path / "fleet.parquet"
    write_table([load_profile(PACKAGED[0])], path)
    whole = parquet.read_table(path)
    rows = whole.to_pylist()
    rows[0]["cameras"][2]["lidar2cam"][3] += 1e-12
    parquet.write_table(pa.Table.from_pylist(rows, schema=whole.schema), path)
    with pytest.raises(InputError, match=r"digest: expected sha256:.* as the table says"):
        load_profile(Vehicles(path)[0])


@pytest.mark.parametrize("at", [4, 400, 2000, -4000, -300, -5])
def test_a_flipped_byte_is_one_clear_error(at: int, tmp_path: Path) -> None:
    """Pages carry checksums, rows digests; the file is never read wrongly."""
    path = tmp_path / "fleet.parquet"
    before = [load_profile(one) for one in PACKAGED]
    write_table(before, path)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
    try:
        after = [load_profile(one) for one in Vehicles(path)]
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert [one.digest for one in after] == [one.digest for one in before]


def test_other_files_are_refused(tmp_path: Path) -> None:
    """Text, another table, a missing vehicle, and a table where one profile is asked for."""
    path = tmp_path / "fleet.parquet"
    path.write_text("vehicle: car")
    with pytest.raises(InputError, match="a readable Parquet file"):
        Vehicles(path)
    parquet.write_table(pa.table({"vehicle": ["a"]}), path)
    with pytest.raises(InputError, match=r"a table 'specialize/profiles@1'.*columns vehicle"):
        Vehicles(path)
    write_table([load_profile(PACKAGED[0])], path)
    with pytest.raises(InputError, match="a vehicle 'missing'"):
        load_profile(path / "missing")
    with pytest.raises(InputError, match="one profile, got a table of them"):
        load_profile(path)


def test_a_broken_off_table_leaves_the_old_one(tmp_path: Path) -> None:
    """An error while rows come leaves the file as it was and nothing beside it."""
    path = tmp_path / "fleet.parquet"
    write_table(renamed(1), path)
    before = path.read_bytes()

    def broken() -> object:
        yield from renamed(2)
        raise InputError("a profile", "a number", "none")

    with pytest.raises(InputError, match="a number"):
        write_table(broken(), path)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
