"""Quaternions, products, inverses and the decomposition of a projection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.calibration.pose import (
    decompose,
    inverse,
    product,
    quaternion_from_rotation,
    rigid,
    rotation_between_rad,
    rotation_from_quaternion,
    split_projection,
)
from specialize.errors import InputError
from tests.strategies import Rig, rigs, rotation

ANGLE = st.floats(-math.pi, math.pi)


@given(x=ANGLE, y=ANGLE, z=ANGLE)
def test_quaternions_and_rotations_convert_both_ways(x: float, y: float, z: float) -> None:
    """A rotation survives the way to a quaternion and back."""
    matrix = rotation(np.array([x, y, z]))
    quaternion = quaternion_from_rotation(matrix)
    assert math.isclose(sum(value * value for value in quaternion), 1.0, abs_tol=1e-14)
    assert quaternion[0] >= 0
    np.testing.assert_allclose(rotation_from_quaternion(quaternion), matrix, rtol=0, atol=1e-14)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_half_turns_keep_their_axis(axis: tuple[int, int, int]) -> None:
    """The rotations whose trace is -1 are where careless formulas divide by zero."""
    matrix = 2.0 * np.outer(axis, axis) - np.eye(3)
    assert [abs(value) for value in quaternion_from_rotation(matrix)] == [0, *axis]


@given(rig=rigs(max_cameras=1))
def test_inverse_and_product_are_those_of_numpy(rig: Rig) -> None:
    """Up to rounding, `product` is `@` and `inverse` is `inv`."""
    pose = rig.camera_from_lidar[0]
    np.testing.assert_allclose(inverse(pose), np.linalg.inv(pose), rtol=0, atol=1e-9)
    np.testing.assert_allclose(product(pose, pose), pose @ pose, rtol=0, atol=1e-9)


@given(rig=rigs(max_cameras=1), scale=st.floats(0.1, 10))
def test_a_projection_comes_apart_into_lens_and_pose(rig: Rig, scale: float) -> None:
    """Intrinsic and pose are recovered from their product, whatever its scale."""
    matrix = rig.image_from_lidar[0].copy()
    matrix[:3] *= scale
    lens = decompose(matrix)
    np.testing.assert_allclose(lens.intrinsic, rig.intrinsic[0], rtol=1e-8, atol=1e-6)
    np.testing.assert_allclose(
        lens.camera_from_lidar[:3, :3], rig.camera_from_lidar[0][:3, :3], rtol=0, atol=1e-9
    )


def test_a_projection_without_a_focal_length_is_refused() -> None:
    """A camera that was never calibrated has zeros in its file: this is an error, and nothing is divided by them."""
    with pytest.raises(InputError, match="focal lengths above 0"):
        split_projection(np.zeros((3, 4)))


@given(angle=st.floats(1e-7, math.pi))
def test_small_angles_between_rotations_are_measured_exactly(angle: float) -> None:
    """The angle comes out to seven digits, also where a cosine would have lost it."""
    matrix = rotation(np.array([0.0, angle, 0.0]))
    assert math.isclose(rotation_between_rad(np.eye(3), matrix), angle, rel_tol=1e-7)


def test_a_pose_is_not_changed_by_inverting_it_twice() -> None:
    """For exact rotations, twice inverted is the same bits."""
    pose = rigid(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), [1.25, -0.5, 2.0])
    np.testing.assert_array_equal(inverse(inverse(pose)), pose)
