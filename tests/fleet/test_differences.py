"""A fleet against the medians of its kinds: the matrix, the rule for outliers, and what happens to bad profiles."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from specialize.errors import InputError, UsageError
from specialize.fleet.differences import COLUMNS, MOVED, fleet_diff
from specialize.fleet.outliers import FEWEST, LEAST, RIGOUR, limits
from specialize.fleet.report_apart import verdict
from tests.calibration import authored
from tests.fleet.fleets import mixed_fleet, write_fleet, write_rig

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO_FLEET = REPOSITORY / "calib_profiles" / "demo_fleet"


def test_the_demo_fleet_has_one_outlier() -> None:
    """The van whose rear camera was knocked by 14 mrad is found, and no other."""
    found = fleet_diff(DEMO_FLEET)
    assert [str(outlier) for outlier in found.outliers] == [
        "van_05: CAM_BACK 13 mrad from the fleet's median"
    ]
    assert 12 < found.outliers[0].value < 15


def test_an_assembled_fleet_has_no_outlier(tmp_path: Path) -> None:
    """Vehicles that differ by assembly alone, errors uniform within the line's bounds, are not suspected."""
    write_fleet(tmp_path, authored.CAR42, 60)
    assert fleet_diff(tmp_path).outliers == ()


@pytest.mark.parametrize("degrees", [0.8, 2.0, 20.0])
def test_a_knocked_camera_is_found_among_many(tmp_path: Path, degrees: float) -> None:
    """One knocked camera in a fleet is found with the angle of its knock, to within the assembly error."""
    write_fleet(tmp_path, authored.CAR42, 20)
    hit = authored.knocked(authored.assembled(authored.CAR42, "car_hit"), "CAM_BACK_LEFT", degrees)
    write_rig(tmp_path, hit)
    found = fleet_diff(tmp_path)
    assert [(outlier.vehicle, outlier.camera) for outlier in found.outliers if "mrad" in str(outlier)] == [
        ("car_hit", "CAM_BACK_LEFT")
    ]
    assert found.outliers[0].value == pytest.approx(1e3 * math.radians(degrees), abs=6)


def test_the_matrix_agrees_with_a_comparison_of_two(tmp_path: Path) -> None:
    """The vehicle that is the median of equal ones is zero everywhere, the other is its difference to it."""
    for name in ("a", "b", "c"):
        write_rig(tmp_path, dataclasses.replace(authored.CAR42, vehicle=name))
    write_rig(tmp_path, dataclasses.replace(authored.knocked(authored.CAR42, "CAM_FRONT", 1.0), vehicle="d"))
    found = fleet_diff(tmp_path, "bevformer_tiny")
    same, moved = found.vehicles[0].values, found.vehicles[3].values
    assert np.abs(same).max() < 1e-3
    assert moved[0, COLUMNS.index("rotation_mrad")] == pytest.approx(1e3 * math.radians(1.0), abs=1e-3)
    assert moved[0, COLUMNS.index("shift_px_10m")] > 10
    assert moved[0, COLUMNS.index("gained")] + moved[0, COLUMNS.index("lost")] > 0
    assert np.abs(moved[1:, : len(MOVED)]).max() < 1e-3
    assert np.isnan(fleet_diff(tmp_path).vehicles[0].values[:, len(MOVED) :]).all()


def test_kinds_of_vehicles_have_medians_of_their_own(tmp_path: Path) -> None:
    """Vehicles with other cameras, or the same ones elsewhere, are compared among themselves: cars not with vans."""
    found = fleet_diff(mixed_fleet(tmp_path))
    assert [(group.count, len(group.median.cameras)) for group in found.groups] == [(6, 6), (3, 6), (1, 4)]
    assert {one.vehicle[:3]: one.group for one in found.vehicles} == {"car": 0, "van": 1, "wid": 2}
    assert found.outliers == ()


def test_one_outlier_among_three_designs(tmp_path: Path) -> None:
    """Of 300 vehicles of three designs one has a camera that was knocked by 30 mrad: it is named, and no other."""
    for number, count in enumerate((120, 100, 80)):
        write_fleet(tmp_path / str(number), designed(number), count, f"van_{number}")
    hit = authored.knocked(authored.assembled(designed(1), "van_1_hit"), "CAM_3", math.degrees(0.03))
    (tmp_path / "1" / "van_1_00017.yaml").unlink()
    write_rig(tmp_path / "1", hit)
    found = fleet_diff(tmp_path)
    assert [group.count for group in found.groups] == [120, 100, 80]
    assert all(one.vehicle.startswith(f"van_{one.group}") for one in found.vehicles)
    (outlier,) = found.outliers
    assert (outlier.vehicle, outlier.camera, outlier.kind) == ("van_1_hit", "CAM_3", 2)
    assert outlier.value == pytest.approx(30, abs=6)
    assert str(outlier).endswith("mrad from the median of kind 2 (100 vehicles)")


def test_a_vehicle_whose_every_camera_moved_is_an_outlier(tmp_path: Path) -> None:
    """One of its own is no kind: each of its cameras is named, against the nearest kind."""
    write_fleet(tmp_path / "cars", authored.CAR42, 12)
    write_fleet(tmp_path / "others", designed(0), 5, "other")
    turned = authored.assembled(authored.CAR42, "turned")
    for eye in turned.eyes:
        turned = authored.knocked(turned, eye.name, 3.0)
    write_rig(tmp_path, turned)
    found = fleet_diff(tmp_path)
    assert [group.count for group in found.groups] == [13, 5]
    told = {(one.vehicle, one.camera) for one in found.outliers if one.quantity == "rotation_mrad"}
    assert told == {("turned", eye.name) for eye in turned.eyes}


def designed(number: int) -> authored.Rig:
    """Return a random design of six cameras."""
    rng = np.random.default_rng(number)
    eyes = []
    for place in range(6):
        x, y, z, yaw, pitch, roll = (float(value) for value in rng.uniform(-1, 1, 6))
        mount = authored.Mount(2 * x, y, 1.5 + 0.5 * z, 180 * yaw, 8 * pitch, 3 * roll)
        eyes.append(
            authored.Eye(f"CAM_{place}", authored.FULL, float(rng.uniform(60, 90)), (0.0, 0.0), mount)
        )
    return dataclasses.replace(authored.CAR42, vehicle=f"design {number}", eyes=tuple(eyes))


def test_a_bad_profile_is_reported_and_stops_nobody(tmp_path: Path) -> None:
    """A profile that cannot be read is named with its reason; the others are compared."""
    write_fleet(tmp_path, authored.CAR42, 3)
    (tmp_path / "broken.yaml").write_text("schema: [")
    found = fleet_diff(tmp_path)
    assert len(found.vehicles) == 3
    assert [failed.path.name for failed in found.failed] == ["broken.yaml"]
    assert "line" in found.failed[0].reason


def test_two_profiles_of_one_vehicle_are_refused(tmp_path: Path) -> None:
    """A fleet names vehicles: a second profile of one is an error that names both files."""
    write_rig(tmp_path / "a", authored.CAR42)
    write_rig(tmp_path / "b", authored.CAR42)
    with pytest.raises(InputError, match=r"(?s)b/car42\.yaml.*a/car42\.yaml"):
        fleet_diff(tmp_path)


def test_a_folder_without_profiles_is_refused(tmp_path: Path) -> None:
    """An empty folder, a missing one and an unknown model are errors that say so."""
    with pytest.raises(InputError, match="at least one profile"):
        fleet_diff(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        fleet_diff(tmp_path / "no")
    with pytest.raises(UsageError, match="bevformer_tiny"):
        fleet_diff(DEMO_FLEET, "bevformer_tny")


def test_several_processes_find_the_same(tmp_path: Path) -> None:
    """The number of processes does not change the result."""
    write_fleet(tmp_path, authored.CAR42, 40)
    one, two = fleet_diff(tmp_path, jobs=1), fleet_diff(tmp_path, jobs=2)
    assert [vehicle.vehicle for vehicle in one.vehicles] == [vehicle.vehicle for vehicle in two.vehicles]
    assert all(
        np.array_equal(a.values, b.values, equal_nan=True)
        for a, b in zip(one.vehicles, two.vehicles, strict=True)
    )


def test_the_rule_is_the_stated_one() -> None:
    """The limit is median plus RIGOUR times 1.4826 MAD, per camera or for all, and at least `LEAST`."""
    distances = np.zeros((9, 2, 4))
    distances[:, 0, 0] = np.arange(9) * 10.0  # median 40, MAD 20
    allowed = limits(distances)
    assert allowed[0, 0] == pytest.approx(40 + RIGOUR * 1.4826 * 20)
    assert allowed[1, 0] >= LEAST["rotation_mrad"]
    assert np.allclose(allowed[:, 1:], list(LEAST.values())[1:])


def test_few_vehicles_have_no_outliers() -> None:
    """Fewer than four vehicles are too few for a median to have an opinion."""
    assert np.isinf(limits(np.zeros((FEWEST - 1, 6, 4)))).all()
    assert np.isfinite(limits(np.zeros((FEWEST, 6, 4)))).all()


def test_the_verdict_says_who_is_not_judged(tmp_path: Path) -> None:
    """Of two vehicles neither is an outlier, however far they are apart: that is no clean bill."""
    write_fleet(tmp_path, authored.CAR42, 1)
    write_rig(tmp_path, authored.knocked(authored.assembled(authored.CAR42, "car_hit"), "CAM_BACK_LEFT", 2.0))
    assert verdict(fleet_diff(tmp_path)).startswith("no vehicle is judged")
    write_fleet(tmp_path, authored.CAR42, FEWEST)
    assert "not judged" not in verdict(fleet_diff(tmp_path))
