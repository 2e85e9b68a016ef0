"""The median calibration: robust, indifferent to order, and exact where it can be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specialize.calibration.delta import compare
from specialize.calibration.document import parse_document
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.pose import quaternion_from_rotation, rotation_from_quaternion, rotation_from_rpy
from specialize.files.resources import resource_dir
from specialize.fleet.median import Floats, measure, median_profile, median_quaternion
from tests.calibration import authored
from tests.fleet.fleets import profile_of


def quaternions(angles: list[tuple[float, float, float]]) -> Floats:
    """Return unit quaternions (V, 4) of roll, pitch and yaw in rad."""
    return np.array([quaternion_from_rotation(rotation_from_rpy(*rpy)) for rpy in angles])


def angle_between(first: Floats, second: Floats) -> float:
    """Return the angle in rad between two unit quaternions."""
    return 2 * math.acos(min(1.0, abs(float(first @ second))))


def test_the_median_of_equal_rotations_is_that_rotation() -> None:
    """Equal rotations, written with either sign, have themselves as median."""
    one = quaternions([(0.1, -0.2, 3.0)])
    found = median_quaternion(np.concatenate([one, -one, one]))
    assert angle_between(found, one[0]) < 1e-7


def test_about_one_axis_the_median_is_the_middle_angle() -> None:
    """Rotations about one axis have the rotation by the median angle as median."""
    found = median_quaternion(quaternions([(0, 0, yaw) for yaw in (0.1, 0.11, 0.12, 0.9, 1.0)]))
    assert angle_between(found, quaternions([(0, 0, 0.12)])[0]) < 1e-6


def test_knocked_cameras_hardly_move_the_median() -> None:
    """With a third of the rotations knocked by 20 degrees, the median stays within the others' spread."""
    rng = np.random.default_rng(7)
    good = [tuple(rng.normal(scale=1e-3, size=3)) for _ in range(20)]
    bad = [(0.0, 0.0, math.radians(20)) for _ in range(10)]
    found = median_quaternion(quaternions([*good, *bad]))
    assert angle_between(found, np.array([1.0, 0, 0, 0])) < 2e-3


@example([(0.0, 0.0, 0.0), (0.0, 0.0, 0.5), (0.0, 0.0, 0.5), (0.0, 0.25, 0.0)])
@given(st.lists(st.tuples(*[st.floats(-0.5, 0.5)] * 3), min_size=1, max_size=7))
def test_the_median_has_least_summed_angle(angles: list[tuple[float, float, float]]) -> None:
    """No small turn away from the median lessens the summed angle to all rotations."""
    given_rotations = quaternions(angles)
    found = median_quaternion(given_rotations)

    def summed(quaternion: Floats) -> float:
        rotation = rotation_from_quaternion([float(part) for part in quaternion])
        others = [rotation_from_quaternion([float(part) for part in one]) for one in given_rotations]
        chords = [np.linalg.norm(rotation - other) / (2 * math.sqrt(2)) for other in others]
        return float(sum(2 * math.asin(min(1.0, chord)) for chord in chords))

    here = summed(found)
    for axis in range(3):
        for sign in (-1, 1):
            step = [0.0, 0.0, 0.0]
            step[axis] = sign * 1e-3
            turned = rotation_from_rpy(*step) @ rotation_from_quaternion([float(p) for p in found])
            assert summed(np.array(quaternion_from_rotation(turned))) >= here - 2e-5


def test_the_median_profile_is_the_middle_of_the_fleet() -> None:
    """The median of many assembled cars is the nominal car, to within a tenth of the line's tolerance."""
    cars = [profile_of(authored.assembled(authored.CAR42, f"car_{n}")) for n in range(150)]
    measured = [measure(car) for car in cars]
    median = median_profile(measured[0].shape, np.stack([one.values for one in measured]), "median")
    nominal = profile_of(authored.CAR42)
    turned = measure(median).values[:, :4] * measure(nominal).values[:, :4]
    angles = 2 * np.arccos(np.minimum(1, np.abs(turned.sum(axis=1))))
    assert angles.max() < math.radians(0.05)
    shifted = np.abs(measure(median).values[:, 4:7] - measure(nominal).values[:, 4:7])
    assert shifted.max() < 0.002


def test_only_the_shape_is_compared_by_name() -> None:
    """Two vehicles have one shape if names and sizes of their cameras agree in order."""
    shapes = [measure(profile_of(rig)).shape for rig in (authored.CAR42, authored.VAN, authored.RING7)]
    assert shapes[0] == shapes[1] != shapes[2]


def test_cameras_with_lenses_have_a_median_lens() -> None:
    """Parameters of lenses are medians one by one; a lens that is off shows against the others, and its queries too."""
    text = (resource_dir("calib_profiles") / "fisheye4.yaml").read_text()
    rigs = [
        parse_profile(parse_document(text.replace("xi: 1.051", f"xi: {xi}"), "r.yaml"), "r.yaml")
        for xi in (1.05, 1.051, 1.052, 1.2)
    ]
    measured = [measure(rig) for rig in rigs]
    assert len({one.shape for one in measured}) == 1
    found = median_profile(measured[0].shape, np.stack([one.values for one in measured]), "median")
    lens = found.cameras[1].lens
    assert found.cameras[1].is_raw and lens is not None
    assert lens.parameters["xi"] == pytest.approx(1.0515) and lens.max_angle_rad == pytest.approx(1.68)
    off = [compare(found, rig).cameras[1].shift_px_10m or 0.0 for rig in rigs]
    assert max(off[:3]) < 2 and off[3] > 20
    pinhole = load_profile(resource_dir("calib_profiles") / "kitti360_like.yaml")
    assert measure(pinhole).shape != measured[0].shape
