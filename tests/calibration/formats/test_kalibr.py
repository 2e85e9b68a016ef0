"""Kalibr camera chains: relative extrinsics, IMU poses, and both at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from specialize.calibration.formats import kalibr
from specialize.errors import InputError, UsageError
from tests.calibration.formats.rigs import OTHER, RealRig, real, write
from tests.strategies import rotation

LIDAR_FROM_IMU = np.eye(4)
LIDAR_FROM_IMU[:3, :3] = rotation(np.array([0.1, -0.2, 0.3]))
LIDAR_FROM_IMU[:3, 3] = (0.2, -0.1, -0.4)


def chain(rig: RealRig, imu: str = "", relative: bool = True) -> dict[str, Any]:
    """Return a camchain; `imu` names the key of the IMU poses."""
    document: dict[str, Any] = {}
    for index, camera in enumerate(rig.cameras):
        entry: dict[str, Any] = {
            "camera_model": "pinhole",
            "intrinsics": [float(camera.k[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))],
            "distortion_model": "radtan",
            "distortion_coeffs": [0.1, 0.0, 0.0, 0.01 * index],
            "resolution": list(camera.size),
            "rostopic": f"/cam{index}/image_raw",
            "timeshift_cam_imu": -0.004,
        }
        if relative and index:
            previous = rig.cameras[index - 1].lidar2cam
            entry["T_cn_cnm1"] = (camera.lidar2cam @ np.linalg.inv(previous)).tolist()
        if imu:
            pose = camera.lidar2cam @ LIDAR_FROM_IMU
            entry[imu] = (pose if imu == "T_cam_imu" else np.linalg.inv(pose)).tolist()
        document[f"cam{index}"] = entry
    return document


def save(path: Path, document: object) -> Path:
    """Write YAML."""
    return write(path, yaml.safe_dump(document))


def test_the_chain_is_relative_to_the_previous_camera(tmp_path: Path) -> None:
    """With the lidar's pose in cam0, every camera of the chain is where it was recorded."""
    rig = real(OTHER)
    lidar = save(tmp_path / "lidar.yaml", rig.cameras[0].lidar2cam.tolist())
    profile = kalibr.read(save(tmp_path / "chain.yaml", chain(rig)), transform=str(lidar))
    assert profile.camera_names() == tuple(f"cam{i}" for i in range(6))
    for camera, truth in zip(profile.cameras, rig.cameras, strict=True):
        np.testing.assert_allclose(camera.as_pinhole().camera_from_lidar, truth.lidar2cam, rtol=0, atol=1e-9)
        np.testing.assert_allclose(camera.as_pinhole().intrinsic, truth.k, rtol=1e-12)
        assert (camera.width_px, camera.height_px, camera.time_offset_s) == (*truth.size, -0.004)
    assert profile.cameras[2].distortion is not None
    assert profile.cameras[2].distortion.coefficients == (0.1, 0.0, 0.0, 0.02)


def test_points_are_in_cam0_by_default(tmp_path: Path) -> None:
    """Kalibr's own reference is the first camera."""
    profile = kalibr.read(save(tmp_path / "chain.yaml", chain(real(OTHER))))
    np.testing.assert_array_equal(profile.cameras[0].as_pinhole().camera_from_lidar, np.eye(4))


@pytest.mark.parametrize("key", ["T_cam_imu", "T_imu_cam"])
@pytest.mark.parametrize("relative", [True, False])
def test_imu_poses_are_read_in_both_directions(tmp_path: Path, key: str, relative: bool) -> None:
    """T_imu_cam is the inverse of T_cam_imu; a chain beside them agrees."""
    rig = real(OTHER)
    profile = kalibr.read(save(tmp_path / "chain.yaml", chain(rig, key, relative)), points="imu")
    for camera, truth in zip(profile.cameras, rig.cameras, strict=True):
        pose = truth.lidar2cam @ LIDAR_FROM_IMU
        np.testing.assert_allclose(camera.as_pinhole().camera_from_lidar, pose, rtol=0, atol=1e-9)


def test_a_chain_and_imu_poses_that_disagree_are_refused(tmp_path: Path) -> None:
    """One inverted entry is noticed, with by how much they differ."""
    document = chain(real(OTHER), "T_cam_imu")
    document["cam2"]["T_cn_cnm1"] = np.linalg.inv(document["cam2"]["T_cn_cnm1"]).tolist()
    with pytest.raises(
        InputError, match=r"cam2: expected T_cn_cnm1 and T_cam_imu that agree, got .* mrad and"
    ):
        kalibr.read(save(tmp_path / "chain.yaml", document), points="imu")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("camera_model", "spline", "cam1.camera_model: expected pinhole, omni, eucm, ds, got 'spline'"),
        (
            "camera_model",
            "ds",
            r"cam1.intrinsics: expected 6 numbers \[xi, alpha, fu, fv, pu, pv\], got a list of 4",
        ),
        ("intrinsics", [1, 2, 3], r"cam1.intrinsics: expected 4 numbers \[fu, fv, pu, pv\], got a list of 3"),
        ("distortion_model", "magic", "cam1.distortion_model: expected radtan, equidistant, fov or none"),
        ("resolution", None, "cam1: expected the key 'resolution'"),
        ("T_cn_cnm1", None, "cam1: expected the key 'T_cn_cnm1', got nothing"),
        (
            "T_cn_cnm1",
            [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]],
            "cam1.T_cn_cnm1: expected an ortho",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, key: str, value: object, message: str) -> None:
    """Other projections, missing links and bad matrices are named by camera and key."""
    document = chain(real(OTHER))
    document["cam1"][key] = value
    with pytest.raises(InputError, match=message):
        kalibr.read(save(tmp_path / "chain.yaml", document))


@pytest.mark.parametrize(
    ("model", "intrinsics", "distortion", "expected"),
    [
        ("omni", [1.2, 700.0, 701.0, 640.0, 400.0], "radtan", "mei"),
        ("omni", [1.2, 700.0, 701.0, 640.0, 400.0], "none", "mei"),
        ("eucm", [0.6, 1.1, 300.0, 301.0, 640.0, 400.0], "none", "eucm"),
        ("ds", [-0.2, 0.6, 300.0, 301.0, 640.0, 400.0], "none", "double_sphere"),
        ("pinhole", [300.0, 301.0, 640.0, 400.0], "equidistant", "kannala_brandt"),
        ("pinhole", [300.0, 301.0, 640.0, 400.0], "radtan", "brown_conrady"),
        ("pinhole", [300.0, 301.0, 640.0, 400.0], "none", "pinhole"),
    ],
)
def test_cameras_of_every_model_have_a_lens(
    tmp_path: Path, model: str, intrinsics: list[float], distortion: str, expected: str
) -> None:
    """The numbers before the focal lengths are the model's own, in Kalibr's order; a pinhole's lens is asked for."""
    coefficients = [] if distortion == "none" else [-0.01, 0.002, 3e-4, -4e-4]
    document = chain(real(OTHER))
    for entry in document.values():
        entry |= {"camera_model": model, "intrinsics": intrinsics}
        entry |= {"distortion_model": distortion, "distortion_coeffs": coefficients}
    camera = kalibr.read(save(tmp_path / "chain.yaml", document), lens=True).cameras[1]
    assert camera.lens is not None and camera.is_raw and camera.time_offset_s == -0.004
    assert expected == camera.lens.MODEL
    p = camera.lens.parameters
    assert [p["fx"], p["fy"], p["cx"], p["cy"]] == intrinsics[-4:]
    own = {"mei": ("xi",), "eucm": ("alpha", "beta"), "double_sphere": ("xi", "alpha")}.get(expected, ())
    assert [p[name] for name in own] == intrinsics[:-4]
    if distortion != "none":
        assert (p["k1"], p["k2"]) == (-0.01, 0.002)
    flat = kalibr.read(save(tmp_path / "chain.yaml", document)).cameras[1]
    assert (flat.lens is None) == (model == "pinhole")


@pytest.mark.parametrize(
    ("model", "distortion", "message"),
    [
        ("ds", "radtan", "cam0.distortion_model: expected none, got 'radtan'"),
        ("omni", "equidistant", "cam0.distortion_model: expected radtan or none"),
        ("pinhole", "fov", "expected a model that is a lens, got 'fov'"),
    ],
)
def test_combinations_that_are_no_lens_are_refused(
    tmp_path: Path, model: str, distortion: str, message: str
) -> None:
    """Kalibr distorts no double sphere, and the field-of-view model has no lens here."""
    before = {"ds": [-0.2, 0.6], "omni": [1.2], "pinhole": []}[model]
    entry = chain(real(OTHER))["cam0"] | {
        "camera_model": model,
        "intrinsics": [*before, 300.0, 301.0, 640.0, 400.0],
        "distortion_model": distortion,
        "distortion_coeffs": [0.9] if distortion == "fov" else [0.01, 0.0, 0.0, 0.0],
    }
    with pytest.raises(InputError, match=message):
        kalibr.read(save(tmp_path / "chain.yaml", {"cam0": entry}), lens=True)


def test_other_files_and_frames_are_refused(tmp_path: Path) -> None:
    """A file without cam0 is no camchain, and Kalibr knows two frames only."""
    with pytest.raises(InputError, match="expected a camchain with cam0"):
        kalibr.read(save(tmp_path / "a.yaml", {"cam_0": {}}))
    with pytest.raises(UsageError, match="expected cam0 or imu, got 'lidar'"):
        kalibr.read(tmp_path / "a.yaml", points="lidar")
    with pytest.raises(InputError, match="cam0: expected the key 'T_cam_imu'"):
        kalibr.read(save(tmp_path / "b.yaml", chain(real(OTHER))), points="imu")
