"""What a comparison of two profiles says, against known movements and the recorded table of real rigs."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.delta import compare, compare_cameras, ring_shifts_px
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.tolerance import Tolerance
from specialize.text.record import to_json
from tests.calibration.authored import LINE, PROFILES
from tests.calibration.documents import INTRINSIC, LIDAR2CAM, as_profile
from tests.shared_files import calibration, profile_document
from tests.strategies import Rig, rigs, rotation

NOMINAL = Camera.pinhole("A", (1600, 900), INTRINSIC, LIDAR2CAM)


def moved(turn_rad: float = 0.0, move_m: float = 0.0, zoom: float = 1.0, right_px: float = 0.0) -> Camera:
    """Return the nominal camera turned about its vertical axis, moved along lidar x, zoomed, recentred."""
    turn = np.eye(4)
    turn[:3, :3] = rotation(np.array([0.0, turn_rad, 0.0]))
    move = np.eye(4)
    move[0, 3] = -move_m
    intrinsic = np.array(INTRINSIC)
    intrinsic[0, 0] *= zoom
    intrinsic[0, 2] += right_px
    return Camera.pinhole("A", (1600, 900), intrinsic, turn @ np.array(LIDAR2CAM) @ move)


def test_each_movement_is_reported_in_its_own_unit() -> None:
    """A turn is seen in mrad, a move in mm, a zoom in per cent, a recentring in px; each alone."""
    turn = compare_cameras(NOMINAL, moved(turn_rad=0.005))
    assert math.isclose(turn.rotation_mrad, 5.0, rel_tol=1e-9)
    assert turn.translation_mm < 1e-9
    assert turn.shift_px_20m is not None and 0.005 * 1250 < turn.shift_px_20m < 0.005 * 1250 * 1.5
    move = compare_cameras(NOMINAL, moved(move_m=0.012))
    assert math.isclose(move.translation_mm, 12.0, rel_tol=1e-9)
    assert move.rotation_mrad == 0.0
    assert move.shift_px_10m is not None and move.shift_px_20m is not None
    assert move.shift_px_10m > 1.9 * move.shift_px_20m
    assert math.isclose(compare_cameras(NOMINAL, moved(zoom=0.99)).focal_percent, 1.0, rel_tol=1e-9)
    recentred = compare_cameras(NOMINAL, moved(right_px=3.0))
    assert recentred.principal_point_px == 3.0
    assert recentred.shift_px_10m == pytest.approx(3.0)


@given(rig=rigs())
def test_a_profile_compared_with_itself_shows_no_change(rig: Rig) -> None:
    """All numbers are exactly zero, and the verdict is same."""
    profile = as_profile(rig)
    delta = compare(profile, profile)
    assert delta.same and not delta.added and not delta.removed and not delta.reordered
    for camera in delta.cameras:
        assert camera.same
        assert camera.rotation_mrad == camera.translation_mm == camera.focal_percent == 0.0
        assert camera.shift_px_10m in (0.0, None)


def test_bare_lidar2img_is_compared_in_the_same_units() -> None:
    """A camera known only by its product moves by the same numbers."""
    bare = [
        Camera.projective("A", (1600, 900), camera.image_from_lidar)
        for camera in (NOMINAL, moved(0.004, 0.02))
    ]
    known, recovered = compare_cameras(NOMINAL, moved(0.004, 0.02)), compare_cameras(*bare)
    for key in ("rotation_mrad", "translation_mm", "focal_percent", "shift_px_10m", "shift_px_20m"):
        assert getattr(recovered, key) == pytest.approx(getattr(known, key), abs=1e-6)


def test_a_camera_turned_away_has_no_shift() -> None:
    """No point is in front of both cameras, and the shift is None rather than a huge number."""
    delta = compare_cameras(NOMINAL, moved(turn_rad=math.pi))
    assert delta.rotation_mrad == pytest.approx(1000 * math.pi)
    assert delta.shift_px_10m is None and delta.shift_px_20m is None


def test_points_in_either_image_count() -> None:
    """Doubling the focal length moves the wider image's edge by half its width, both ways round."""
    intrinsic = np.diag([2.0, 2.0, 1.0]) @ np.array(INTRINSIC)
    intrinsic[:2, 2] /= 2
    narrow = Camera.pinhole("A", (1600, 900), intrinsic, LIDAR2CAM)
    for delta in (compare_cameras(NOMINAL, narrow), compare_cameras(narrow, NOMINAL)):
        assert delta.shift_px_20m is not None and 700 < delta.shift_px_20m < 850


def test_added_removed_and_reordered_cameras_are_named() -> None:
    """Changes of the set and the order of cameras are reported beside the movements."""
    first, second, third = (dataclasses.replace(NOMINAL, name=name) for name in "ABC")
    delta = compare(CalibrationProfile("x", (first, second)), CalibrationProfile("y", (third, second, first)))
    assert (delta.added, delta.removed, delta.reordered, delta.same) == (("C",), (), True, False)
    assert [camera.name for camera in delta.cameras] == ["B", "A"]
    delta = compare(CalibrationProfile("x", (first, second)), CalibrationProfile("y", (second,)))
    assert (delta.added, delta.removed, delta.reordered) == ((), ("A",), False)


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "size": ({"width_px": 1280}, {"resized": True}),
    "lens": ({"distortion": Distortion("radial", (0.1, 0.0, 0.0))}, {"lens_changed": True}),
    "tolerance": ({"tolerance": Tolerance(rotation_deg=1.0)}, {"tolerance_changed": True}),
    "time": ({"time_offset_s": 0.005}, {"time_offset_ms": 5.0}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_that_move_nothing_are_still_explained(change: str) -> None:
    """Whatever changes the digest shows in the comparison."""
    edit, shown = CHANGES[change]
    delta = compare_cameras(NOMINAL, dataclasses.replace(NOMINAL, **edit))
    assert not delta.same
    assert {key: getattr(delta, key) for key in shown} == shown


def test_plain_values_carry_their_units_in_their_keys() -> None:
    """The JSON form is made of plain values with units in the key names."""
    profiles = [load_profile(PROFILES / name) for name in ("car42.yaml", "car43.yaml")]
    document = json.loads(json.dumps(to_json(compare(*profiles))))
    assert document["cameras"][0].keys() >= {
        "rotation_mrad",
        "translation_mm",
        "focal_percent",
        "principal_point_px",
        "shift_px_10m",
        "shift_px_20m",
    }


def test_car43_keeps_to_its_tolerance() -> None:
    """car43 differs from car42 by no more than it states, and by enough to matter."""
    delta = compare(load_profile(PROFILES / "car42.yaml"), load_profile(PROFILES / "car43.yaml"))
    for camera in delta.cameras:
        assert math.degrees(camera.rotation_mrad / 1000) <= LINE["rotation_deg"]
        assert camera.translation_mm <= 1000 * LINE["translation_m"]
        assert camera.focal_percent <= LINE["focal_percent"]
        assert camera.principal_point_px <= math.sqrt(2) * LINE["principal_point_px"]
        assert camera.shift_px_10m is not None and camera.shift_px_10m > 1.0


# Mean shifts in px at 20 m between the three rigs of one data set, as the calibrations' README states them.
EARLY, LATE = "nuscenes_n008_2018-05-21", "nuscenes_n008_2018-07-26_to_2018-09-18"
OTHER = "nuscenes_n015_2018-07-11_to_2018-11-21"
RECORDED = {
    (OTHER, LATE): [32, 18, 14, 41, 45, 27],
    (OTHER, EARLY): [74, 80, 106, 168, 41, 58],
    (LATE, EARLY): [106, 84, 118, 182, 83, 32],
}


@pytest.mark.parametrize("pair", RECORDED, ids=["other-late", "other-early", "late-early"])
def test_shifts_between_real_rigs_agree_with_the_recorded_table(pair: tuple[str, str]) -> None:
    """The mean shift of ring points at 20 m is the recorded one to 1.5 px (other sampling steps)."""
    first, second = (parse_profile(profile_document(calibration(name)), name) for name in pair)
    means = [
        float(ring_shifts_px(a, b, 20.0).mean()) for a, b in zip(first.cameras, second.cameras, strict=True)
    ]
    np.testing.assert_allclose(means, RECORDED[pair], rtol=0, atol=1.5)
