"""Tell for many vehicles at once which calibrations surely fit a model.

Every rule that may report an error has a test here that is stricter by what rounding could change. A vehicle that
passes all tests has no error; one that does not may have one, or not: `require_fit` decides, and says what it is. So
what is said of a calibration does not depend on how it was looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from specialize.calibration.lint.expected import FRONT_DEG, Expected
from specialize.calibration.lint.frame import (
    FAR_BELOW_M,
    FORWARD_TOLERANCE_DEG,
    LOWEST_LIDAR_M,
    MIRRORED_M,
    ON_GROUND_M,
    looks_ahead,
)
from specialize.calibration.lint.image import check_images
from specialize.calibration.lint.pose import SKY_DEG, STRAIGHT, UPRIGHT
from specialize.calibration.lint.rig import check_order
from specialize.calibration.lint.rules import CENTRE_LIMIT_M
from specialize.calibration.lint.sides import SIDES
from specialize.calibration.many import Alike, inverse, product
from specialize.calibration.off_many import off_in
from specialize.calibration.profile import CalibrationProfile
from specialize.model.many import RigOfMany
from specialize.model.spec import ModelSpec
from specialize.plausibility.constants import constant_findings
from specialize.plausibility.fit import NEVER_ALLOWED, expected_of
from specialize.plausibility.sight_many import surely_seen, surely_shown
from specialize.plausibility.values import ALIKE

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NEAR = 1e-6
"""How near to a limit a number, an angle in degrees or a length in m may come; rounding is far less."""


class _Level:
    """V vehicles in the level frame, as the lint's views have them, up to rounding."""

    def __init__(self, rig: RigOfMany, count: int) -> None:
        self.vehicles: Alike = rig.profile
        self.rig = rig
        self.count = count  # of cameras, with those that are off
        self.ego = self.vehicles.ego_from_lidar
        pose = self.vehicles.camera_from_lidar
        if self.ego is not None:
            pose = product(pose, inverse(self.ego)[:, None])
        self.rotation = pose[..., :3, :3]  # (V, N, 3, 3), rows are right, down and forward
        self.centre_m = inverse(pose)[..., :3, 3]  # (V, N, 3)
        self.heading_rad = np.arctan2(self.rotation[..., 2, 1], self.rotation[..., 2, 0])  # (V, N)
        self.names = self.vehicles.example.camera_names()

    def front_deg(self) -> Floats | None:
        """Return the heading of the front (V,) in the points' frame, as `frame.front_heading_deg` does."""
        if self.ego is not None:
            return np.asarray(np.degrees(np.arctan2(self.ego[:, 0, 1], self.ego[:, 0, 0])))
        ahead = [index for index, name in enumerate(self.names) if looks_ahead(name)]
        if not ahead:
            return None
        headings = self.heading_rad[:, ahead]
        return np.asarray(np.degrees(np.arctan2(np.sin(headings).sum(axis=1), np.cos(headings).sum(axis=1))))


def surely_fit(rig: RigOfMany, spec: ModelSpec, allow: Sequence[str]) -> Bools:
    """Return which of V vehicles (V,) surely have no error but allowed ones.

    Args:
        rig: The vehicles as the model sees them.
        spec: The model.
        allow: Codes of allowed errors.
    """
    accepted = set(allow) - set(NEVER_ALLOWED)
    expected = expected_of(spec)
    if not _cameras_fit(rig.profile, spec, expected, accepted):
        return np.zeros(len(rig.profile), bool)
    found = _pass(_Level(rig, rig.profile.cameras), expected, accepted)
    if "view-share" not in accepted:
        found &= surely_shown(rig, spec, found)
    if "nothing-seen" not in accepted:
        found &= surely_seen(rig, spec, found)
    return found


def surely_fit_without(rig: RigOfMany, spec: ModelSpec, allow: Sequence[str], off: Sequence[int]) -> Bools:
    """Return which of V vehicles (V,) with cameras off surely have no error, of those that have none as whole ones.

    What a camera sees does not depend on the others; that is not looked at again.

    Args:
        rig: The vehicles as the model sees them, without these cameras.
        spec: A model that attends to what cameras see.
        allow: Codes of allowed errors.
        off: The places of the cameras that are off.
    """
    accepted = set(allow) - set(NEVER_ALLOWED)
    level = _Level(_left(rig, off), rig.profile.cameras)
    found = _pass(level, expected_of(spec), accepted)
    if "cameras-alike" not in accepted:
        for one, other in combinations(off, 2):
            raw, network = (
                np.abs(each[:, one] - each[:, other]).max(axis=(1, 2))
                for each in (rig.profile.image_from_lidar, rig.network_from_lidar)
            )
            largest = np.abs(rig.network_from_lidar[:, one]).max(axis=(1, 2))
            found &= (raw == 0) | (network > 2 * ALIKE * largest)
    return found


def _left(rig: RigOfMany, off: Sequence[int]) -> RigOfMany:
    """Return a rig of the cameras that are not off."""
    some, left = rig.profile, [index for index in range(rig.profile.cameras) if index not in off]
    example = CalibrationProfile(
        some.example.vehicle,
        tuple(some.example.cameras[index] for index in left),
        some.example.ego_from_lidar,
    )
    vehicles = Alike(
        example, some.names, some.intrinsic[:, left], some.camera_from_lidar[:, left],
        some.image_from_lidar[:, left], [some.distortion[index] for index in left], some.ego_from_lidar,
        some.digests,
    )  # fmt: skip
    return RigOfMany(vehicles, rig.network_from_raw[left], rig.network_from_lidar[:, left])


def _pass(level: _Level, expected: Expected, accepted: set[str]) -> Bools:
    """Return which of V vehicles (V,) pass the tests of all errors that are not accepted."""
    found = np.ones(len(level.vehicles), bool)
    for codes, test in _TESTS:
        if not codes <= accepted:
            found &= test(level, expected)
    return found


def _cameras_fit(vehicles: Alike, spec: ModelSpec, expected: Expected, accepted: set[str]) -> bool:
    """Whether nothing is wrong with what all these vehicles have in common."""
    example = vehicles.example
    findings = [
        *check_order(example.camera_names(), expected.cameras),
        *check_images(example, expected),
        *constant_findings(spec.constants(), vehicles.cameras),
    ]
    return not any(one.severity == "error" and one.code not in accepted for one in findings)


def _principal_points(level: _Level, expected: Expected) -> Bools:
    intrinsic, size = level.vehicles.intrinsic, level.vehicles.sizes_px()
    ratio = intrinsic[..., :2, 2] / (size / 2)  # (V, N, 2)
    scale = ratio.mean(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.abs(ratio[..., 0] / ratio[..., 1] - 1) > 0.15 + NEAR
    own = (np.abs(scale - 1) < 0.25 - NEAR) | (both & (np.abs(ratio[..., 1]) > NEAR))
    return np.asarray((own & (np.abs(ratio - 1) < 1 - NEAR).all(axis=-1)).all(axis=1))


def _centres(level: _Level, expected: Expected) -> Bools:
    centre_m = inverse(level.vehicles.camera_from_lidar)[..., :3, 3]
    return np.asarray((np.linalg.norm(centre_m, axis=-1) < CENTRE_LIMIT_M - NEAR).all(axis=1))


def _working(level: _Level, expected: Expected) -> Bools:
    """No camera is off; what a model makes of one that is, `require_fit` decides."""
    return np.asarray(~off_in(level.vehicles).any(axis=1))


def _quaternions(level: _Level, expected: Expected) -> Bools:
    standing = (-level.rotation[..., 1, 2] > STRAIGHT + NEAR).sum(axis=1)
    return np.asarray(2 * standing > level.count)


def _orientations(level: _Level, expected: Expected) -> Bools:
    """Every camera is upright, or lies in a way that no mistake explains and that is not up."""
    turned, lidar = level.rotation, level.vehicles.camera_from_lidar
    upright = -turned[..., 1, 2] > UPRIGHT + NEAR
    explained = np.maximum.reduce(
        [-turned[..., 2, 1], -lidar[..., 2, 1], turned[..., 2, 2], turned[..., 1, 2]]
    )
    lying = (explained < STRAIGHT - NEAR) & (turned[..., 2, 2] < math.sin(math.radians(SKY_DEG)) - NEAR)
    return np.asarray((upright | lying).all(axis=1))


def _sides(level: _Level, expected: Expected) -> Bools:
    """At most one camera looks elsewhere than its name says."""
    front: Floats | float | None = 0.0
    if level.ego is None:
        front = level.front_deg() if expected.points is None else FRONT_DEG[expected.points.x]
    if front is None:
        return np.ones(len(level.vehicles), bool)
    headings = np.degrees(level.heading_rad) - np.reshape(front, (-1, 1))
    wrong = np.zeros(headings.shape, bool)
    for index, name in enumerate(level.names):
        for side, (low, high) in SIDES.items():
            if side in name.lower():
                past = np.mod(headings[:, index] - low, 360)
                wrong[:, index] |= (past < NEAR) | (past > high - low - NEAR)
    return np.asarray(wrong.sum(axis=1) < 2)


def _underground(level: _Level, expected: Expected) -> Bools:
    if level.ego is None:
        return np.ones(len(level.vehicles), bool)
    return np.asarray(level.ego[:, 2, 3] > LOWEST_LIDAR_M + NEAR)


def _forward(level: _Level, expected: Expected) -> Bools:
    heading = level.front_deg()
    if heading is None or expected.points is None:
        return np.ones(len(level.vehicles), bool)
    off = np.abs(np.mod(heading - FRONT_DEG[expected.points.x] + 180, 360) - 180)
    return np.asarray(off < FORWARD_TOLERANCE_DEG - NEAR)


def _heights(level: _Level, expected: Expected) -> Bools:
    points, every = expected.points, np.ones(len(level.vehicles), bool)
    if points is None:
        return every
    if level.ego is None:
        highest = level.centre_m[..., 2].max(axis=1)
        return every if points.height_m is None else np.asarray(highest + points.height_m[1] > NEAR)
    height_m = level.ego[:, 2, 3]
    if points.origin == "ego":
        return np.asarray(height_m < ON_GROUND_M - NEAR)
    return (
        every if points.height_m is None else np.asarray(height_m > points.height_m[0] - FAR_BELOW_M + NEAR)
    )


def _mirrored(level: _Level, expected: Expected) -> Bools:
    looks = np.stack([np.cos(level.heading_rad), np.sin(level.heading_rad)], axis=-1)  # (V, N, 2)
    found = (np.abs(np.abs(looks) - 0.5) > NEAR).all(axis=(1, 2))
    for axis in range(2):
        low, high = looks[..., axis] < -0.5, looks[..., axis] > 0.5
        place = level.centre_m[..., axis]
        means = [
            np.where(side, place, 0.0).sum(axis=1) / np.maximum(side.sum(axis=1), 1) for side in (low, high)
        ]
        both = low.any(axis=1) & high.any(axis=1)
        found &= ~both | (means[1] - means[0] > -MIRRORED_M + NEAR)
    return np.asarray(found)


def _different(level: _Level, expected: Expected) -> Bools:
    """No two cameras have the same matrix, of the raw image or of the network's."""
    found = np.ones(len(level.vehicles), bool)
    for matrices in (level.vehicles.image_from_lidar, level.rig.network_from_lidar):
        largest = np.abs(matrices).max(axis=(2, 3))  # (V, N)
        for one, other in combinations(range(level.vehicles.cameras), 2):
            apart = np.abs(matrices[:, one] - matrices[:, other]).max(axis=(1, 2))
            found &= apart > 2 * ALIKE * largest[:, one]
    return found


_TESTS: tuple[tuple[set[str], Callable[[_Level, Expected], Bools]], ...] = (
    ({"off-but-used"}, _working),
    ({"intrinsic-resolution", "principal-point"}, _principal_points),
    ({"centre-far"}, _centres),
    ({"quaternion-order"}, _quaternions),
    ({"extrinsic-inverted", "camera-axes", "camera-pitch"}, _orientations),
    ({"camera-swapped"}, _sides),
    ({"lidar-underground"}, _underground),
    ({"points-forward"}, _forward),
    ({"points-origin", "points-height"}, _heights),
    ({"positions-mirrored"}, _mirrored),
    ({"camera-twins", "cameras-alike"}, _different),
)
_OF_ALL = {
    "camera-order",
    "constant-calibration",
    "image-edges",
    "image-overflow",
    "image-underfill",
    "raw-size",
}
_OF_SIGHT = {"nothing-seen", "view-share"}
ERRORS = frozenset().union(_OF_ALL, _OF_SIGHT, *(codes for codes, _ in _TESTS))
"""Codes of all errors that are looked for; lenses have more, but no vehicle here has one."""
