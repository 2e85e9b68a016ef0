"""The median calibration of a fleet: for every camera the pose and lens that half of the vehicles surround.

Translation, focal lengths and principal point are medians of each coordinate. The rotation is the geodesic
median, the one whose sum of angles to all rotations is least: a mean would follow a knocked camera, the median
does not until half of the fleet is knocked. It is found by Weiszfeld's iteration on SO(3), from the
chordal mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.camera import Camera
from specialize.calibration.lens import Lens
from specialize.calibration.lens.windshield import Windshield
from specialize.calibration.many import Alike, inverse
from specialize.calibration.pose import (
    Matrix,
    centre_m,
    rigid,
    rotation_from_quaternion,
)
from specialize.calibration.profile import CalibrationProfile

Floats = NDArray[np.float64]

STEPS = 1000
STEP_RAD = 1e-10
# Rotations closer than this to the median weigh alike, or a rotation that is the median would weigh infinitely.
NEAR_RAD = 1e-9

LensShape = tuple[type[Lens], float, Windshield | None]
"""What two lenses have in common whose parameters can be compared: model, pixel centre and windshield."""

CameraShape = tuple[str, int, int, LensShape | None]
Shape = tuple[CameraShape, ...]

POSE = 7
"""Numbers of a camera's pose, before those of its intrinsic or its lens."""
FOCAL = POSE
"""Place of a pinhole camera's focal length fx."""
CONJUGATE = np.array([1.0, -1.0, -1.0, -1.0])
"""Times a unit quaternion, its inverse."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One vehicle's cameras as numbers.

    Attributes:
        shape: Name, width and height of each camera, in order, and the kind of its lens; only vehicles of one shape are
            comparable.
        values: (N, 12 or more) float64: quaternion of the camera in the lidar frame (w, x, y, z), centre (3, m), then
            fx, skew, fy, cx, cy (px); of a lens its largest angle and its parameters in the order of their names.
    """

    shape: Shape
    values: Floats


def measure(profile: CalibrationProfile) -> Measured:
    """Return a vehicle's cameras as numbers."""
    rows = []
    for camera in profile.cameras:
        pinhole = camera.as_pinhole()
        k, pose = pinhole.intrinsic, pinhole.camera_from_lidar
        numbers = [k[0, 0], k[0, 1], k[1, 1], k[0, 2], k[1, 2]]
        if camera.is_raw and camera.lens is not None:
            numbers = [camera.lens.limit_rad, *(value for _, value in sorted(camera.lens.parameters.items()))]
        rows.append([*_quaternions(pose[:3, :3]), *centre_m(pose), *numbers])
    width = max(map(len, rows))
    return Measured(shape_of(profile), np.array([[*row, *[0.0] * (width - len(row))] for row in rows]))


def measure_many(vehicles: Alike) -> Floats:
    """Return the rows of `Measured` (V, N, 12) of vehicles without lenses, to the same bits."""
    k, pose = vehicles.intrinsic, vehicles.camera_from_lidar
    numbers = [k[..., 0, 0], k[..., 0, 1], k[..., 1, 1], k[..., 0, 2], k[..., 1, 2]]
    centre = inverse(pose)[..., :3, 3]
    return np.concatenate([_quaternions(pose[..., :3, :3]), centre, np.stack(numbers, axis=-1)], axis=-1)


def _quaternions(r: Floats) -> Floats:
    """Return unit quaternions (..., 4), w >= 0, of rotations (..., 3, 3), as `pose.quaternion_from_rotation` does."""
    diagonal = [r[..., axis, axis] for axis in range(3)]
    squares = [
        1 + diagonal[0] + diagonal[1] + diagonal[2],
        1 + diagonal[0] - diagonal[1] - diagonal[2],
        1 - diagonal[0] + diagonal[1] - diagonal[2],
        1 - diagonal[0] - diagonal[1] + diagonal[2],
    ]
    x, y, z = (r[..., a, b] - r[..., b, a] for a, b in ((2, 1), (0, 2), (1, 0)))
    xy, xz, yz = (r[..., a, b] + r[..., b, a] for a, b in ((1, 0), (0, 2), (2, 1)))
    products = np.array(
        [[squares[0], x, y, z], [x, squares[1], xy, xz], [y, xy, squares[2], yz], [z, xz, yz, squares[3]]]
    )  # (4, 4, ...)
    largest = np.argmax(squares, axis=0)
    rows = np.take_along_axis(products, largest[None, None], axis=0)[0]  # (4, ...)
    a, b, c, d = rows
    norms = np.sqrt(a * a + b * b + c * c + d * d) * np.where(a < 0, -1.0, 1.0)
    return np.moveaxis(rows / norms, 0, -1)


def shape_of(profile: CalibrationProfile) -> Shape:
    """Return what must agree for two vehicles to be compared: names, image sizes and kinds of lenses, in order."""
    return tuple(
        (camera.name, camera.width_px, camera.height_px, _lens_shape(camera)) for camera in profile.cameras
    )


def _lens_shape(camera: Camera) -> LensShape | None:
    lens = camera.lens if camera.is_raw else None
    return None if lens is None else (type(lens), lens.pixel_centre, lens.windshield)


def median_profile(shape: Shape, values: Floats, name: str) -> CalibrationProfile:
    """Return the median calibration of vehicles of one shape.

    Args:
        shape: The cameras.
        values: (V, N, 12 or more), the rows of `Measured` of V vehicles.
        name: What to call it.
    """
    return profile_from(shape, median_values(values), name)


def median_values(values: Floats, rows: NDArray[np.intp] | None = None) -> Floats:
    """Return the median rows (N, 12 or more) of V vehicles (V, N, 12 or more), or of those in some rows (R,).

    One camera is looked at after the other, and one number of it, so that of a million vehicles no second copy is made.
    """
    which = slice(None) if rows is None else rows
    cameras = []
    for camera in range(values.shape[1]):
        numbers = [np.median(values[which, camera, column]) for column in range(4, values.shape[2])]
        cameras.append(np.array([*median_quaternion(values[which, camera, :4]), *numbers]))
    return np.stack(cameras)


def profile_from(shape: Shape, values: Floats, name: str) -> CalibrationProfile:
    """Return the calibration that rows of `Measured` (N, 12 or more) say, under a name."""
    cameras = tuple(_camera(camera, row) for camera, row in zip(shape, values, strict=True))
    return CalibrationProfile(vehicle=name, cameras=cameras)


def _camera(camera: CameraShape, row: Floats) -> Camera:
    """Return one camera from its row (12 or more,)."""
    rotation = rotation_from_quaternion([float(part) for part in row[:4]])
    centre, numbers = row[4:POSE], row[POSE:]
    name, width, height, kind = camera
    pose = rigid(rotation, -rotation @ centre)
    if kind is not None:
        model, pixel_centre, windshield = kind
        names = sorted((*model.REQUIRED, *model.OPTIONAL))
        parameters = dict(zip(names, map(float, numbers[1:]), strict=False))
        limit = float(numbers[0])
        lens = model(parameters, max_angle_rad=limit, pixel_centre=pixel_centre, windshield=windshield)
        return Camera.through(name, (width, height), lens, pose)
    fx, skew, fy, cx, cy = numbers[:5]
    intrinsic = np.array([[fx, skew, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return Camera.pinhole(name, (width, height), intrinsic, pose)


def median_quaternion(quaternions: Floats) -> Floats:
    """Return the unit quaternion (4,) of least summed angle to unit quaternions (V, 4), their signs arbitrary."""
    _, vectors = np.linalg.eigh(quaternions.T @ quaternions)
    median: Floats = vectors[:, -1]  # the chordal mean
    for _ in range(STEPS):
        logs = rotation_vectors(quaternion_product(quaternions, median * CONJUGATE))  # (V, 3), rad
        weights = 1 / np.maximum(np.linalg.norm(logs, axis=1), NEAR_RAD)
        step = (weights[:, None] * logs).sum(axis=0) / weights.sum()
        median = quaternion_product(_exp(step)[None], median)[0]
        if np.linalg.norm(step) < STEP_RAD:
            break
    return median if median[0] >= 0 else -median


def quaternion_product(left: Floats, right: Floats) -> Floats:
    """Return the products (V, 4) of quaternions (V, 4) with others (V, 4), or with one (4,)."""
    w, x, y, z = left.T
    a, b, c, d = right.T
    made = np.empty(
        (len(left), 4)
    )  # filled column by column: of a million there is one, and not each of its parts
    made[:, 0] = w * a - x * b - y * c - z * d
    made[:, 1] = w * b + x * a + y * d - z * c
    made[:, 2] = w * c - x * d + y * a + z * b
    made[:, 3] = w * d + x * c - y * b + z * a
    return made


def rotation_vectors(quaternions: Floats) -> Floats:
    """Return rotation vectors (V, 3) in rad of unit quaternions (V, 4)."""
    sine = np.linalg.norm(quaternions[:, 1:], axis=1)
    angle = 2 * np.arctan2(sine, np.abs(quaternions[:, 0]))
    factor = np.divide(angle, sine, out=np.full_like(angle, 2.0), where=sine > 0)
    np.negative(factor, out=factor, where=quaternions[:, 0] < 0)
    return np.asarray(quaternions[:, 1:] * factor[:, None])


def _exp(vector: Floats) -> Floats:
    """Return the unit quaternion (4,) of a rotation vector (3,) in rad."""
    angle = float(np.linalg.norm(vector))
    factor = np.sin(angle / 2) / angle if angle > 0 else 0.5
    return np.array([np.cos(angle / 2), *(factor * vector)])


__all__ = [
    "Floats",
    "Matrix",
    "Measured",
    "Shape",
    "measure",
    "measure_many",
    "median_profile",
    "median_quaternion",
    "quaternion_product",
    "rotation_vectors",
    "shape_of",
]
