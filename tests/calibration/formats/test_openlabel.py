"""OpenLABEL files: coordinate systems in three spellings, pinholes, fisheyes and custom cameras."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats import openlabel
from specialize.errors import InputError, UsageError
from tests.calibration.formats.poses import optical, pose, seen, xyzw
from tests.calibration.formats.rigs import write
from tests.strategies import rotation

FRONT = optical(pose((0.0, 0.1, 0.2), (1.5, 0.1, 1.4)))
LEFT = optical(pose((0.1, -0.1, 1.5), (0.5, 0.9, 1.0)))
LIDAR = pose((0.0, 0.02, -0.01), (1.0, 0.0, 1.9))
K = [900.0, 0.0, 960.0, 0.0, 0.0, 910.0, 540.0, 0.0, 0.0, 0.0, 1.0, 0.0]
FISHEYE = {"width_px": 1280, "height_px": 966, "lens_coeffs_1x4": [333.437, 0.3077, 2.42356, 11.0495]}
CENTRE = {"center_x": 3.9, "center_y": -3.1, "fov_deg": None, "radius_x": 0.0, "radius_y": 0.0}
ZYX = (0.3, -0.2, 0.1)


def about(axis: int, angle: float) -> np.ndarray:
    """Return a rotation (3, 3) about one axis."""
    return rotation(np.eye(3)[axis] * angle)


def camera(**intrinsics: Any) -> dict[str, Any]:
    """Return a stream."""
    return {"type": "camera", "uri": "", "stream_properties": intrinsics}


def document(**streams: Any) -> dict[str, Any]:
    """Return a label file with three coordinate systems under the vehicle's."""
    parent = {"type": "sensor_cs", "parent": "vehicle-iso8855", "children": []}
    return {
        "openlabel": {
            "metadata": {"schema_version": "1.0.0"},
            "streams": {**streams, "LIDAR": {"type": "lidar"}},
            "coordinate_systems": {
                "vehicle-iso8855": {"type": "local_cs", "parent": "", "children": ["FRONT", "LEFT", "LIDAR"]},
                "FRONT": {**parent, "pose_wrt_parent": {"matrix4x4": FRONT.ravel().tolist()}},
                "LEFT": {
                    **parent,
                    "pose_wrt_parent": {"quaternion": xyzw(LEFT), "translation": LEFT[:3, 3].tolist()},
                },
                "LIDAR": {**parent, "pose_wrt_parent": {"matrix4x4": LIDAR.ravel().tolist()}},
            },
        }
    }


def pinhole(**more: Any) -> dict[str, Any]:
    """Return a pinhole camera of the drafts' spelling."""
    return camera(intrinsics_pinhole={"width_px": 1920, "height_px": 1080, "camera_matrix_3x4": K, **more})


def save(path: Path, value: object) -> Path:
    return write(path / "labels.json", json.dumps(value))


def test_poses_are_chained_from_the_points_to_each_camera(tmp_path: Path) -> None:
    """Matrices and quaternions map a system to its parent; points are in the lidar that is named."""
    file = save(tmp_path, document(FRONT=pinhole(), LEFT=camera(intrinsics_fisheye={**FISHEYE, **CENTRE})))
    profile = openlabel.read(file, points="LIDAR")
    assert profile.camera_names() == ("FRONT", "LEFT")
    for each, vehicle_from_camera in zip(profile.cameras, (FRONT, LEFT), strict=True):
        expected = np.linalg.inv(vehicle_from_camera) @ LIDAR
        np.testing.assert_allclose(each.camera_from_lidar, expected, atol=1e-9)
    np.testing.assert_allclose(profile.ego_from_lidar, LIDAR, atol=1e-9)
    with pytest.raises(UsageError, match="known systems: FRONT, LEFT, LIDAR, vehicle-iso8855"):
        openlabel.read(file)


@pytest.mark.parametrize("sequence", ["", "XYZ", "ZXZ"])
def test_euler_angles_follow_their_sequence(sequence: str, tmp_path: Path) -> None:
    """Angles turn about the axes in order, each about the axes that the last has turned; ZYX without a sequence."""
    value = document(FRONT=pinhole())
    spelled = {"euler_angles": list(ZYX), "translation": [1.0, 2.0, 3.0]} | (
        {"sequence": sequence} if sequence else {}
    )
    value["openlabel"]["coordinate_systems"]["FRONT"]["pose_wrt_parent"] = spelled
    profile = openlabel.read(save(tmp_path, value), points="vehicle-iso8855")
    expected = np.eye(3)
    for axis, angle in zip(sequence or "ZYX", ZYX, strict=True):
        expected = expected @ about("XYZ".index(axis), angle)
    np.testing.assert_allclose(
        np.linalg.inv(profile.cameras[0].camera_from_lidar)[:3, :3], expected, atol=1e-9
    )


@pytest.mark.parametrize("final", [False, True])
def test_a_fisheyes_centre_is_counted_from_the_middle(final: bool, tmp_path: Path) -> None:
    """Pixels per power of the angle around the middle plus the centre; `centre=corner` counts from the corner."""
    middle = {**FISHEYE, **CENTRE}
    if final:
        middle = {"width_px": 1280, "height_px": 966, "lens_coeffs": FISHEYE["lens_coeffs_1x4"]}
        middle |= {"center_x_px": 3.9, "center_y_px": -3.1, "aspect_ratio": 1.01}
    profile = openlabel.read(save(tmp_path, document(LEFT=camera(intrinsics_fisheye=middle))), points="LEFT")
    theta = 0.7
    rho = 333.437 * theta + 0.3077 * theta**2 + 2.42356 * theta**3 + 11.0495 * theta**4
    expected = [643.9, 479.9 + (1.01 if final else 1.0) * rho]
    point = np.array([0.0, math.sin(theta), math.cos(theta)])
    np.testing.assert_allclose(seen(profile, "LEFT", point), expected, atol=1e-9)
    corner = {**FISHEYE, **CENTRE, "center_x": 643.9, "center_y": 479.9}
    file = save(tmp_path, document(LEFT=camera(intrinsics_fisheye=corner)))
    again = openlabel.read(file, points="LEFT", centre="corner")
    np.testing.assert_allclose(seen(again, "LEFT", point)[0], 643.9, atol=1e-9)
    with pytest.raises(InputError, match="use centre=corner"):
        openlabel.read(file, points="LEFT")


def test_a_pinhole_counts_as_undistorted_unless_asked(tmp_path: Path) -> None:
    """Coefficients are recorded, or with `lens` they bend the projection; a tilted sensor is refused."""
    file = save(tmp_path, document(FRONT=pinhole(distortion_coeffs_1xN=[-0.3, 0.1, 1e-3, 2e-3, 0.0])))
    flat = openlabel.read(file, points="FRONT").cameras[0]
    assert flat.lens is None and flat.distortion is not None and flat.distortion.model == "plumb_bob"
    raw = openlabel.read(file, points="FRONT", lens=True)
    assert raw.cameras[0].is_raw
    x, r2 = 0.5, 0.25
    expected = 960 + 900 * (x * (1 - 0.3 * r2 + 0.1 * r2 * r2) + 2e-3 * 3 * r2)
    np.testing.assert_allclose(seen(raw, "FRONT", np.array([0.5, 0.0, 1.0]))[0], expected, atol=1e-9)
    tilted = pinhole(distortion_coeffs_1xN=[0.1] * 14)
    with pytest.raises(InputError, match="4, 5, 8 or 12 distortion coefficients, got 14"):
        openlabel.read(save(tmp_path, document(FRONT=tilted)), points="FRONT")


def test_a_custom_camera_may_be_a_lens(tmp_path: Path) -> None:
    """`intrinsics_custom` with a profile's words is that lens; anything else is an error that says where."""
    custom = {"width_px": 1400, "height_px": 1400, "model": "ds", "max_angle_rad": 1.4}
    custom["parameters"] = {"fx": 400, "fy": 401, "cx": 700, "cy": 701, "xi": -0.2, "alpha": 0.6}
    profile = openlabel.read(save(tmp_path, document(LEFT=camera(intrinsics_custom=custom))), points="LEFT")
    lens = profile.cameras[0].lens
    assert lens is not None and (lens.MODEL, lens.max_angle_rad) == ("double_sphere", 1.4)
    custom["parameters"]["beta"] = 1
    with pytest.raises(InputError, match=r"intrinsics_custom: lens\.parameters: expected .*, got 'beta'"):
        openlabel.read(save(tmp_path, document(LEFT=camera(intrinsics_custom=custom))), points="LEFT")
