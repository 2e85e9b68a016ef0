"""Every mistake that the lint must find in a profile that loads: rigs with it put in, and what is said of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import yaml

from specialize.calibration.camera import Camera
from specialize.calibration.lint.expected import Expected, ExpectedImage, ExpectedPoints
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.pose import inverse, product
from specialize.calibration.profile import CalibrationProfile
from tests.calibration.authored import PROFILES

CAR42 = load_profile(PROFILES / "car42.yaml")
ORDER = CAR42.camera_names()
MODEL = Expected(
    cameras=ORDER,
    image=ExpectedImage((800, 480), scale=0.5, raw_size_px=(1600, 900)),
    points=ExpectedPoints("right", "lidar", (1.3, 2.4)),
    lens="",
)
TO_BODY = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def changed(index: int, edit: Callable[[Camera], Camera]) -> CalibrationProfile:
    """Return car42 with one camera edited."""
    cameras = list(CAR42.cameras)
    cameras[index] = edit(cameras[index])
    return dataclasses.replace(CAR42, cameras=tuple(cameras))


def with_lens(lens: Callable[[np.ndarray], np.ndarray], index: int = 0) -> CalibrationProfile:
    """Return car42 with one intrinsic edited."""

    def edit(camera: Camera) -> Camera:
        k, pose = camera.as_pinhole()
        return Camera.pinhole(camera.name, (camera.width_px, camera.height_px), lens(k), pose)

    return changed(index, edit)


def with_pose(pose: Callable[[np.ndarray], np.ndarray], index: int = 0) -> CalibrationProfile:
    """Return car42 with one camera_from_lidar edited."""

    def edit(camera: Camera) -> Camera:
        k, given = camera.as_pinhole()
        return Camera.pinhole(camera.name, (camera.width_px, camera.height_px), k, pose(given))

    return changed(index, edit)


def everywhere(pose: Callable[[np.ndarray], np.ndarray]) -> CalibrationProfile:
    """Return car42 with every camera_from_lidar edited."""
    return dataclasses.replace(CAR42, cameras=tuple(with_pose(pose, i).cameras[i] for i in range(6)))


def transposed_rotation(pose: np.ndarray) -> np.ndarray:
    """Return a pose whose rotation alone is transposed."""
    wrong = pose.copy()
    wrong[:3, :3] = pose[:3, :3].T
    return wrong


def shifted(metres: float, axis: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return an edit that moves the camera's centre along an axis of the lidar frame."""
    move = np.eye(4)
    move[axis, 3] = -metres
    return lambda pose: pose @ move


def turned(axis: int, degrees: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return an edit that turns the camera about one of its own axes."""
    from tests.strategies import rotation

    turn = np.eye(4)
    turn[:3, :3] = rotation(np.radians(degrees) * np.eye(3)[axis])
    return lambda pose: turn @ pose


def without(*names: str) -> CalibrationProfile:
    """Return car42 without some cameras."""
    return dataclasses.replace(CAR42, cameras=tuple(c for c in CAR42.cameras if c.name not in names))


def inverted_ego_pose(camera: Camera) -> Camera:
    """Return a camera whose sensor2ego was given as ego2sensor."""
    k, pose = camera.as_pinhole()
    assert CAR42.ego_from_lidar is not None
    ego_from_camera = product(CAR42.ego_from_lidar, inverse(pose))
    return Camera.pinhole(camera.name, (1600, 900), k, product(ego_from_camera, CAR42.ego_from_lidar))


def swapped(first: int, second: int) -> CalibrationProfile:
    """Return car42 with the matrices of two cameras swapped, the names left."""
    cameras = list(CAR42.cameras)
    a, b = cameras[first], cameras[second]
    cameras[first] = dataclasses.replace(b, name=a.name)
    cameras[second] = dataclasses.replace(a, name=b.name)
    return dataclasses.replace(CAR42, cameras=tuple(cameras))


def copied(camera: Camera) -> Camera:
    """Return the rear camera's name on the front camera."""
    return dataclasses.replace(CAR42.cameras[0], name=camera.name)


def w_last(lidar: bool = True) -> CalibrationProfile:
    """Return car42 as it is read if the quaternions of its file were written with w last."""
    document = yaml.safe_load((PROFILES / "car42.yaml").read_text())
    poses = [camera["sensor2ego"] for camera in document["cameras"]]
    for pose in [*poses, document["lidar2ego"]] if lidar else poses:
        w, x, y, z = pose["rotation_wxyz"]
        pose["rotation_wxyz"] = [x, y, z, w]
    return parse_profile(document, "car42")


def bare(profile: CalibrationProfile) -> CalibrationProfile:
    """Return a profile spelled as bare lidar2img, without a vehicle frame."""
    cameras = tuple(
        Camera.projective(c.name, (c.width_px, c.height_px), c.image_from_lidar) for c in profile.cameras
    )
    return dataclasses.replace(profile, cameras=cameras, ego_from_lidar=None)


def lidar_at(height_m: float) -> np.ndarray:
    """Return car42's pose of the lidar, at another height."""
    assert CAR42.ego_from_lidar is not None
    pose = np.array(CAR42.ego_from_lidar)
    pose[2, 3] = height_m
    return pose


def positions(move: Callable[[np.ndarray], np.ndarray]) -> CalibrationProfile:
    """Return car42 with the centres of its cameras moved in the vehicle frame, their directions kept."""
    assert CAR42.ego_from_lidar is not None
    cameras = []
    for camera in CAR42.cameras:
        k, given = camera.as_pinhole()
        ego_from_camera = product(CAR42.ego_from_lidar, inverse(given))
        ego_from_camera[:3, 3] = move(ego_from_camera[:3, 3])
        pose = product(inverse(ego_from_camera), CAR42.ego_from_lidar)
        cameras.append(Camera.pinhole(camera.name, (1600, 900), k, pose))
    return dataclasses.replace(CAR42, cameras=tuple(cameras))


def x_forward() -> CalibrationProfile:
    """Return car42 with points whose x axis is the vehicle's."""
    assert CAR42.ego_from_lidar is not None
    pose = np.eye(4)
    pose[:3, 3] = CAR42.ego_from_lidar[:3, 3]
    turn = product(inverse(CAR42.ego_from_lidar), pose)  # lidar_from_turned
    cameras = []
    for camera in CAR42.cameras:
        k, given = camera.as_pinhole()
        cameras.append(Camera.pinhole(camera.name, (1600, 900), k, product(given, turn)))
    return dataclasses.replace(CAR42, cameras=tuple(cameras), ego_from_lidar=pose)


def resized(width_px: int, height_px: int) -> CalibrationProfile:
    """Return car42 with images of another size, calibrated for it."""
    cameras = []
    for camera in CAR42.cameras:
        k, pose = camera.as_pinhole()
        wider = np.diag([width_px / 1600, width_px / 1600, 1.0]) @ k
        wider[1, 2] = k[1, 2] * height_px / 900
        cameras.append(Camera.pinhole(camera.name, (width_px, height_px), wider, pose))
    return dataclasses.replace(CAR42, cameras=tuple(cameras))


def clockwise() -> CalibrationProfile:
    """Return car42 with yaw angles counted clockwise: every camera looks to the other side, from where it was."""
    assert CAR42.ego_from_lidar is not None
    cameras = []
    for camera in CAR42.cameras:
        k, given = camera.as_pinhole()
        ego_from_camera = product(CAR42.ego_from_lidar, inverse(given))
        turned_back = np.diag([1.0, -1, 1]) @ ego_from_camera[:3, :3] @ np.diag([-1.0, 1, 1])
        ego_from_camera[:3, :3] = turned_back
        pose = product(inverse(ego_from_camera), CAR42.ego_from_lidar)
        cameras.append(Camera.pinhole(camera.name, (1600, 900), k, pose))
    return dataclasses.replace(CAR42, cameras=tuple(cameras))


HALF = np.diag([0.5, 0.5, 1.0])
