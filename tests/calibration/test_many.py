"""Rows of a table as arrays against the profiles that `load` makes of them: the same numbers, digests and refusals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.many import sound_pinholes, sound_projections
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import place_of, write_table
from specialize.calibration.table_many import FEWEST, Group, read_alike
from specialize.calibration.tolerance import Tolerance
from specialize.digests import as_text
from specialize.errors import InputError
from specialize.files.resources import resource_dir
from tests.calibration.test_table import crooked
from tests.calibration.wrong_rigs import CAR42, bare, without
from tests.shared_files import calibrations, profile_document

PACKAGED = sorted(resource_dir("calib_profiles").glob("*.yaml"))


def several(profiles: Iterable[CalibrationProfile], count: int = FEWEST) -> list[CalibrationProfile]:
    """Return every profile `count` times, under names of their own."""
    return [
        dataclasses.replace(one, vehicle=f"{number}/{one.vehicle} {copy}")
        for number, one in enumerate(profiles)
        for copy in range(count)
    ]


def assert_as_loaded(table: Path) -> Group:
    """Compare the first group of a table with what `load` makes of each row; return it."""
    group = read_alike(table, 0)
    places = [*group.others, *(place for _, which in group.parts for place in which)]
    assert sorted(places) == list(range(len(group.names)))
    for alike, which in group.parts:
        for index, place in enumerate(which):
            profile = load_profile(place_of(table, group.names[place]))
            assert profile.vehicle == alike.names[index]
            assert profile.digest == as_text(alike.digests[index])
            assert profile.camera_names() == alike.example.camera_names()
            assert profile.sizes_px().tolist() == alike.sizes_px().tolist()
            assert np.array_equal(profile.image_from_lidar(), alike.image_from_lidar[index])
            pinholes = [camera.as_pinhole() for camera in profile.cameras]
            assert np.array_equal([one.intrinsic for one in pinholes], alike.intrinsic[index])
            assert np.array_equal([one.camera_from_lidar for one in pinholes], alike.camera_from_lidar[index])
            assert (profile.ego_from_lidar is None) == (alike.ego_from_lidar is None)
            if profile.ego_from_lidar is not None and alike.ego_from_lidar is not None:
                assert np.array_equal(profile.ego_from_lidar, alike.ego_from_lidar[index])
    return group


def with_everything() -> CalibrationProfile:
    """Return car42 with distortions, an offset, a tolerance and zeros of both signs."""
    first, second, *rest = CAR42.cameras
    bent = Distortion("plumb_bob", (0.1, -0.2, 0.0, -0.0, 0.3))
    late = dataclasses.replace(first, distortion=bent, time_offset_s=-1 / 3)
    loose = dataclasses.replace(second, tolerance=Tolerance(rotation_deg=0.1 + 0.2))
    assert late.intrinsic is not None
    zeros = np.where(late.intrinsic == 0, -0.0, late.intrinsic)
    return dataclasses.replace(
        CAR42, cameras=(dataclasses.replace(late, intrinsic=zeros), loose, *rest), notes="a: 'b'"
    )


def test_rows_become_what_load_makes_of_them(tmp_path: Path) -> None:
    """Packaged rigs, bare matrices, distortions, tolerances, other cameras, no vehicle frame; lenses are left."""
    afoot = dataclasses.replace(CAR42, ego_from_lidar=None)
    plain = [bare(CAR42), with_everything(), afoot, without("CAM_BACK"), crooked(), CAR42]
    profiles = several([*map(load_profile, PACKAGED), *plain])
    write_table(profiles, tmp_path / "fleet.parquet")
    group = assert_as_loaded(tmp_path / "fleet.parquet")
    through = [number for number, one in enumerate(profiles) if any(each.lens for each in one.cameras)]
    assert through and set(group.others) == set(through)


def test_real_rigs_become_arrays(tmp_path: Path) -> None:
    """Every real rig is taken, to the bit."""
    rigs = [parse_profile(profile_document(path), str(path)) for path in calibrations()]
    write_table(several(rigs[:240]), tmp_path / "fleet.parquet")
    group = assert_as_loaded(tmp_path / "fleet.parquet")
    assert len(group.others) < len(group.names) // 3


def test_rare_layouts_are_left_to_load(tmp_path: Path) -> None:
    """A layout of few rows is not worth arrays."""
    write_table(
        several([CAR42], FEWEST) + several([CAR42, bare(CAR42)], FEWEST - 1)[FEWEST - 1 :],
        tmp_path / "fleet.parquet",
    )
    group = assert_as_loaded(tmp_path / "fleet.parquet")
    assert group.others.tolist() == [FEWEST, FEWEST + 1, FEWEST + 2]


def first(key: str, place: int, value: float) -> Callable[[dict[str, Any]], None]:
    """Return a change of one number of the first camera of a row."""

    def change(row: dict[str, Any]) -> None:
        row["cameras"][0][key][place] = value

    return change


def put(key: str, value: object, camera: bool = True) -> Callable[[dict[str, Any]], None]:
    """Return a change of an entry of a row or of its first camera."""

    def change(row: dict[str, Any]) -> None:
        (row["cameras"][0] if camera else row)[key] = value

    return change


DAMAGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "another number": first("intrinsic", 2, 800.25),
    "another digest": put("digest", bytes(32), camera=False),
    "no digest": put("digest", None, camera=False),
    "not a number": first("intrinsic", 0, float("nan")),
    "infinite": first("lidar2cam", 3, float("inf")),
    "no number": first("lidar2cam", 3, None),  # type: ignore[arg-type]
    "a number too few": lambda row: row["cameras"][0]["intrinsic"].pop(),
    "sheared": first("lidar2cam", 0, 1.5),
    "a last row": first("lidar2cam", 12, 0.5),
    "another last row": first("intrinsic", 8, 2.0),
    "a negative focal length": first("intrinsic", 0, -500.0),
    "no name": put("name", None),
    "an escape in the name": put("vehicle", "car\x1b[2J", camera=False),
    "a name of blanks": put("vehicle", "  ", camera=False),
    "no width": put("width_px", None),
    "no pose": put("lidar2cam", None),
    "notes of blanks": put("notes", " ", camera=False),
    "no cameras": put("cameras", [], camera=False),
    "null cameras": put("cameras", None, camera=False),
    "twice one camera": lambda row: row["cameras"][0].update(name=row["cameras"][1]["name"]),
    "a lidar upside down": put("lidar2ego", [*[1.0, 0, 0, 0] * 4], camera=False),
    "half a lidar": put("lidar2ego", [1.0] * 8, camera=False),
    "more": put("more", "lens: {model: nonsense}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_rows_are_left_to_load(tmp_path: Path, damage: str) -> None:
    """A row that is not what its digest is of, or no profile at all, never becomes an array, and spoils no other."""
    table = tmp_path / "fleet.parquet"
    write_table(several([CAR42], 8), table)
    rows = parquet.read_table(table)
    values = rows.to_pylist()
    DAMAGES[damage](values[0])
    DAMAGES[damage](values[5])
    parquet.write_table(pa.Table.from_pylist(values, schema=rows.schema), table)
    group = read_alike(table, 0)
    assert {0, 5} <= set(group.others)
    if damage not in (
        "no name",
        "no width",
        "no number",
    ):  # these are read one by one with all others of the group
        assert [which.tolist() for _, which in group.parts] == [[1, 2, 3, 4, 6, 7]]


def test_a_group_that_is_not_there(tmp_path: Path) -> None:
    """Only groups of the table can be asked for."""
    write_table(several([CAR42]), tmp_path / "fleet.parquet")
    with pytest.raises(InputError, match="expected a group 1 of rows, got 1 groups"):
        read_alike(tmp_path / "fleet.parquet", 1)


def test_borders_of_what_is_sound() -> None:
    """A bare matrix that load refuses, because it is singular or mirrors, is not sound; a usual one is."""
    usual = CAR42.image_from_lidar()[0]
    singular, mirrored, tiny = usual.copy(), usual.copy(), usual.copy()
    singular[1] = usual[0]
    mirrored[0] *= -1
    tiny[:3] *= 1e-13
    found = sound_projections(np.stack([usual, singular, mirrored, tiny]))
    assert found.tolist() == [True, False, False, False]
    for wrong in (singular, mirrored, tiny):
        with pytest.raises(InputError):
            Camera.projective("one", (1600, 900), wrong)


@pytest.mark.parametrize("seed", range(20))
def test_sound_pinholes_load(seed: int) -> None:
    """No camera that is called sound is refused, however long its lens and however far away it is."""
    rng = np.random.default_rng(seed)
    intrinsic = np.array(
        [[10 ** rng.uniform(-4, 6), rng.normal(), rng.normal() * 1e3], [0, 0, 0], [0, 0, 1.0]]
    )
    intrinsic[1] = [rng.choice([0.0, 1e-12]), 10 ** rng.uniform(-4, 6), rng.normal() * 1e3]
    pose = np.eye(4)
    pose[:3, 3] = rng.normal(size=3) * 10 ** rng.uniform(-2, 6)
    if sound_pinholes(intrinsic, pose):
        assert Camera.pinhole("one", (1600, 900), intrinsic, pose).intrinsic is not None
