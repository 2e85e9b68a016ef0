"""The lint finds each common mistake in a rig made with it, and nothing in sound rigs."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from specialize.calibration.lint.causes import grouped
from specialize.calibration.lint.expected import Expected, ExpectedImage, ExpectedPoints, Side
from specialize.calibration.lint.findings import Finding
from specialize.calibration.lint.rules import RULES, lint
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.pose import inverse
from specialize.calibration.profile import CalibrationProfile
from specialize.text.record import to_json
from tests.calibration.authored import PROFILES
from tests.calibration.authored_lenses import STEREO
from tests.calibration.rig_blunders import BLUNDERS, PREPARATIONS, SOUND_PREPARATIONS
from tests.calibration.wrong_rigs import CAR42, HALF, MODEL, TO_BODY, everywhere, w_last, with_lens, x_forward
from tests.shared_files import calibrations, profile_document, raw_calibration


@pytest.mark.parametrize("blunder", BLUNDERS)
def test_a_common_mistake_is_found_with_a_remedy(blunder: str) -> None:
    """Every mistake raises its own rule, with numbers in the message and a remedy."""
    profile, code, severity, text = BLUNDERS[blunder]
    found = [finding for finding in lint(profile, MODEL) if finding.code == code]
    assert found, lint(profile, MODEL)
    assert found[0].severity == severity
    assert any(text in finding.message for finding in found), found
    assert all(finding.mend for finding in found)


def test_every_rule_has_a_blunder() -> None:
    """Every rule is raised by a mistake in this file; the lens note and cameras that are off have their own tests."""
    made = {code for _, code, _, _ in BLUNDERS.values()} | {code for _, code, _ in PREPARATIONS.values()}
    assert made | {"camera-off", "lens-distortion", "points-origin"} == set(RULES)


@pytest.mark.parametrize("blunder", PREPARATIONS)
def test_an_impossible_image_preparation_is_an_error(blunder: str) -> None:
    """A scaled image that no padding turns into the network's is an error that states the difference."""
    model, code, text = PREPARATIONS[blunder]
    found = lint(CAR42, model)
    assert [(finding.code, finding.severity) for finding in found] == [(code, "error")] * 6
    assert all(text in finding.message for finding in found), found


@pytest.mark.parametrize("preparation", SOUND_PREPARATIONS)
def test_preparations_of_real_models_are_left_alone(preparation: str) -> None:
    """Padding at the right and below, crops, rounded sizes and letter boxes raise nothing."""
    assert lint(CAR42, SOUND_PREPARATIONS[preparation]) == ()


def test_points_of_the_vehicle_are_distinguished_from_a_lidars() -> None:
    """A model in the vehicle frame rejects points of a lidar, and accepts points of the vehicle."""
    model = Expected(points=ExpectedPoints("forward", "ego"))
    (found,) = lint(x_forward(), model)
    assert (found.code, found.severity) == ("points-origin", "error")
    assert found.message == (
        "the points are in a lidar frame, 1.83 m above the ground; the model expects the vehicle frame"
    )
    assert lint(vehicle_points(), model) == ()


def vehicle_points() -> CalibrationProfile:
    """Return car42 with points in the vehicle frame."""
    rig = x_forward()
    assert rig.ego_from_lidar is not None
    cameras = tuple(
        dataclasses.replace(
            camera,
            camera_from_lidar=camera.camera_from_lidar @ inverse(rig.ego_from_lidar),
            image_from_lidar=camera.image_from_lidar @ inverse(rig.ego_from_lidar),
        )
        for camera in rig.cameras
    )
    return dataclasses.replace(rig, cameras=cameras, ego_from_lidar=np.eye(4))


def test_one_cause_is_reported_once() -> None:
    """A mistake common to six cameras is one line, and its consequences are only named."""
    (group,) = grouped(lint(everywhere(lambda pose: TO_BODY @ pose), MODEL), CAR42.camera_names())
    assert group.text.startswith("all 6 cameras: the camera looks straight up as given")
    assert "explains: " in str(group) and group.follows
    (group,) = grouped(lint(w_last(), MODEL), CAR42.camera_names())
    assert group.code == "quaternion-order"


def test_figures_of_the_first_camera_stand_for_all() -> None:
    """If the findings of six cameras differ in a number only, the line names the camera whose number it shows."""
    (group,) = grouped(lint(everywhere(millimetres), MODEL), CAR42.camera_names())
    assert group.text.startswith("all 6 cameras; of CAM_FRONT: the camera's centre is ")
    two = [finding for finding in lint(everywhere(millimetres)) if finding.camera.startswith("CAM_BACK_")]
    assert grouped(two, CAR42.camera_names())[0].text.startswith(
        "CAM_BACK_LEFT, CAM_BACK_RIGHT; of CAM_BACK_"
    )


def test_all_findings_of_the_rig_are_reported() -> None:
    """Two blind sectors are one group, with both of them in its text."""
    blind = [
        Finding("blind-sector", "warning", "", f"no camera looks {where}", "add a camera")
        for where in ("left", "right")
    ]
    (group,) = grouped(blind, CAR42.camera_names())
    assert group.text == "no camera looks left; no camera looks right"


def millimetres(pose: np.ndarray) -> np.ndarray:
    """Return a pose whose translation is in millimetres."""
    wrong = pose.copy()
    wrong[:3, 3] *= 1000
    return wrong


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
    """The shipped profiles have no findings, except for pairs that look in the same direction on purpose."""
    profile = load_profile(path)  # type: ignore[arg-type]
    expected = ["camera-twins"] if profile.vehicle in STEREO else []
    assert [finding.code for finding in lint(profile)] == expected


def test_real_rigs_raise_only_what_is_true_of_them() -> None:
    """Partial rigs have blind sectors and KITTI is a stereo pair; no other real rig raises anything."""
    partial = {"kitti_000008", "nuplan_b086d06f6f01509e", "tri_dgp_scene_01", "waymo_1071392229495085036"}
    for path in calibrations():
        profile = parse_profile(profile_document(path), str(path))
        stated = raw_calibration(path).get("lidar2ego")
        if stated is not None:
            profile = dataclasses.replace(profile, ego_from_lidar=np.array(stated))
        expected: set[str] = set()
        if any(path.stem.startswith(name) for name in partial):
            expected = {"blind-sector", "camera-twins"} if "kitti" in path.stem else {"blind-sector"}
        for model in (Expected(), fitting(path.stem, profile)):
            assert {finding.code for finding in lint(profile, model)} == expected, path.stem


X_AXIS: dict[str, Side] = {"lyft": "backward", "nuscenes": "right", "pandaset": "left", "synthetic": "right"}
ON_GROUND = ("nuplan", "tri_dgp", "waymo")


def fitting(name: str, profile: CalibrationProfile) -> Expected:
    """Return what a model trained on such a rig would state."""
    dataset = name.partition("_")[0]
    grounded = name.startswith(ON_GROUND)
    points = ExpectedPoints(
        X_AXIS.get(dataset, "forward"), "ego" if grounded else "lidar", None if grounded else (1.3, 2.4)
    )
    images = tuple(
        ExpectedImage(
            (-(-c.width_px // 64) * 32, -(-c.height_px // 64) * 32), 0.5, (0, 0), (c.width_px, c.height_px)
        )
        for c in profile.cameras
    )
    return Expected(cameras=profile.camera_names(), images=images, points=points)


def test_findings_are_plain_values_and_readable_lines() -> None:
    """JSON has the fields by name; text has severity, rule, camera, message, and how to fix it."""
    finding = lint(with_lens(lambda k: HALF @ k))[0]
    assert json.loads(json.dumps(to_json([finding])))[0]["code"] == "intrinsic-resolution"
    first, second = str(finding).splitlines()
    assert first.startswith("error intrinsic-resolution: CAM_FRONT: the principal point")
    assert (
        second
        == "    fix: scale the first two rows of the intrinsic by 1.97, or state the size it was calibrated at"
    )
