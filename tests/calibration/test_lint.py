"""Each classic blunder is found in a rig that had it put in, and sound rigs are left alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from specialize.calibration.camera import Camera
from specialize.calibration.findings import findings_to_json
from specialize.calibration.lint import RULES, lint
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.pose import inverse, product
from specialize.calibration.profile import CalibrationProfile
from tests.calibration.authored import PROFILES
from tests.shared_files import calibrations, profile_document, raw_calibration

CAR42 = load_profile(PROFILES / "car42.yaml")
ORDER = CAR42.camera_names()
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


HALF = np.diag([0.5, 0.5, 1.0])
BLUNDERS: dict[str, tuple[CalibrationProfile, str, str, str]] = {
    "half resolution": (
        with_lens(lambda k: HALF @ k),
        "intrinsic-resolution",
        "error",
        "the principal point (404, 231) is the centre of a 814 x 458 image, not of 1600 x 900",
    ),
    "crop not subtracted": (
        with_lens(lambda k: k + np.array([[0, 0, 0], [0, 0, 600], [0, 0, 0]])),
        "principal-point",
        "error",
        "the principal point (808, 1061) is outside the 1600 x 900 image",
    ),
    "one axis resized": (
        with_lens(lambda k: np.diag([1, 0.8, 1]) @ k),
        "pixel-aspect",
        "warning",
        "fx and fy differ by 25 %",
    ),
    "tiny focal length": (
        with_lens(lambda k: np.array([[80, 0, 800], [0, 80, 450], [0, 0, 1.0]])),
        "field-of-view",
        "warning",
        "the horizontal field of view is 168.6 degrees",
    ),
    "scaled projection": (
        changed(
            0, lambda c: Camera.projective(c.name, (1600, 900), np.diag([2.0, 2, 2, 1]) @ c.image_from_lidar)
        ),
        "projection-scale",
        "warning",
        "the third row of lidar2img has length 2",
    ),
    "inverted extrinsic": (
        with_pose(inverse),
        "extrinsic-inverted",
        "error",
        "does if the extrinsic is inverted",
    ),
    "all extrinsics inverted": (everywhere(inverse), "extrinsic-inverted", "error", "does if the extrinsic"),
    "all in body axes": (
        everywhere(lambda pose: TO_BODY @ pose),
        "camera-axes",
        "error",
        "looks straight up",
    ),
    "transposed rotation": (
        with_pose(transposed_rotation, 4),
        "extrinsic-inverted",
        "error",
        "does if the extrinsic",
    ),
    "inverted sensor2ego": (
        changed(2, inverted_ego_pose),
        "extrinsic-inverted",
        "error",
        "does if the extrinsic",
    ),
    "body axes": (
        with_pose(lambda pose: TO_BODY @ pose),
        "camera-axes",
        "error",
        "ahead if its axes are x forward, y left, z up",
    ),
    "OpenGL axes": (
        everywhere(lambda pose: np.diag([1.0, -1, -1, 1]) @ pose),
        "camera-axes",
        "error",
        "its y axis points up",
    ),
    "portrait camera": (
        with_pose(turned(2, 90), 1),
        "camera-rolled",
        "warning",
        "the camera is rolled by 90 degrees",
    ),
    "looks down": (
        with_pose(turned(0, 60), 5),
        "camera-pitch",
        "warning",
        "the optical axis points 61 degrees down",
    ),
    "millimetres": (
        with_pose(lambda pose: pose * np.array([[1, 1, 1, 1000.0]] * 3 + [[1, 1, 1, 1]])),
        "centre-far",
        "error",
        "m from the lidar",
    ),
    "no translation": (
        with_pose(lambda pose: pose * np.array([[1, 1, 1, 0.0]] * 3 + [[1, 1, 1, 1]])),
        "centre-zero",
        "warning",
        "the camera's centre is exactly the lidar's",
    ),
    "under the road": (
        with_pose(shifted(-3.5, 2)),
        "below-ground",
        "warning",
        "m below the vehicle frame's ground",
    ),
    "copied camera": (
        changed(3, copied),
        "camera-twins",
        "error",
        "CAM_FRONT and CAM_BACK have the same matrices",
    ),
    "same heading": (
        with_pose(lambda pose: shifted(0.3, 0)(CAR42.cameras[0].as_pinhole().camera_from_lidar), 1),
        "camera-twins",
        "warning",
        "CAM_FRONT and CAM_FRONT_RIGHT look the same way, 0.0 degrees apart",
    ),
    "swapped sides": (
        swapped(1, 2),
        "name-heading",
        "warning",
        "its name says right, but it looks +55 degrees",
    ),
    "missing rear": (
        without("CAM_BACK"),
        "blind-sector",
        "warning",
        "around the vehicle",
    ),
    "horizon only": (
        everywhere(turned(0, -25)),
        "ground-unseen",
        "warning",
        "no camera sees the ground within 12 m",
    ),
    "other order": (
        dataclasses.replace(CAR42, cameras=CAR42.cameras[::-1]),
        "camera-order",
        "error",
        f"the model's is {', '.join(ORDER)}",
    ),
    "a camera too few": (without("CAM_BACK"), "camera-order", "error", "5 cameras, the model has 6"),
    "other names": (
        changed(0, lambda camera: dataclasses.replace(camera, name="FRONT")),
        "camera-order",
        "warning",
        "cameras that the model does not name: FRONT; their order cannot be checked",
    ),
}


@pytest.mark.parametrize("blunder", BLUNDERS)
def test_a_classic_blunder_is_found_and_its_mending_named(blunder: str) -> None:
    """Every blunder raises its own rule, with the numbers and a remedy."""
    profile, code, severity, text = BLUNDERS[blunder]
    found = [finding for finding in lint(profile, ORDER) if finding.code == code]
    assert found, lint(profile, ORDER)
    assert found[0].severity == severity
    assert any(text in finding.message for finding in found), found
    assert all(finding.mend for finding in found)


def test_every_rule_has_a_blunder() -> None:
    """No rule is left that nothing here can make fire; the lens note has its own test."""
    assert {code for _, code, _, _ in BLUNDERS.values()} | {"lens-distortion"} == set(RULES)


def test_a_distorted_image_is_noted() -> None:
    """A lens model that the geometry does not apply is a note, not a warning."""
    document = raw_calibration(next(path for path in calibrations() if "argoverse2_test" in path.name))
    given = profile_document(next(path for path in calibrations() if "argoverse2_test" in path.name))
    for camera, raw in zip(given["cameras"], document["cameras"], strict=True):
        camera["distortion"] = {"model": "radial", "coefficients": raw["distortion"]["coefficients"]}
    found = lint(parse_profile(given, "argo"))
    assert {(finding.code, finding.severity) for finding in found} == {("lens-distortion", "note")}


@pytest.mark.parametrize("path", sorted(PROFILES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_authored_rigs_are_clean(path: object) -> None:
    """The shipped profiles have nothing to complain about."""
    assert lint(load_profile(path)) == ()  # type: ignore[arg-type]


def test_real_rigs_raise_only_what_is_true_of_them() -> None:
    """Partial rigs have blind sectors and KITTI is a stereo pair; no other real rig raises anything."""
    partial = {"kitti_000008", "nuplan_b086d06f6f01509e", "tri_dgp_scene_01", "waymo_1071392229495085036"}
    for path in calibrations():
        profile = parse_profile(profile_document(path), str(path))
        stated = raw_calibration(path).get("lidar2ego")
        if stated is not None:
            profile = dataclasses.replace(profile, ego_from_lidar=np.array(stated))
        codes = {finding.code for finding in lint(profile)}
        expected: set[str] = set()
        if any(path.stem.startswith(name) for name in partial):
            expected = {"blind-sector", "camera-twins"} if "kitti" in path.stem else {"blind-sector"}
        assert codes == expected, path.stem


def test_findings_are_plain_values_and_readable_lines() -> None:
    """JSON has the fields by name; text says severity, rule, camera, and how to mend it."""
    finding = lint(with_lens(lambda k: HALF @ k))[0]
    assert json.loads(json.dumps(findings_to_json([finding])))[0]["code"] == "intrinsic-resolution"
    first, second = str(finding).splitlines()
    assert first.startswith("error intrinsic-resolution: CAM_FRONT: the principal point")
    assert (
        second
        == "    mend: scale the intrinsic's first two rows by 1.97, or state the size it was calibrated at"
    )
