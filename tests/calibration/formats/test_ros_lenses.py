"""Raw cameras of camera_info files as lenses: the names of ROS and of Foxglove."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from specialize.calibration.formats import autoware, ros
from specialize.calibration.formats.camera_info import read_camera_info
from specialize.errors import InputError, UsageError
from tests.calibration.formats.rigs import OTHER, real, write
from tests.calibration.formats.test_ros import calibration_file, folder, vehicle_folder


@pytest.mark.parametrize(
    ("stated", "coefficients", "model", "limit_rad"),
    [
        ("equidistant", [0.02, -0.01, 0.001, -2e-4], "kannala_brandt", None),
        ("kannala_brandt", [0.02, -0.01, 0.001, -2e-4], "kannala_brandt", None),
        ("fisheye62", [0.02, -0.01, 0.001, -2e-4, 1e-4, -3e-4], "fisheye62", None),
        ("fisheye62", [0.02, -0.01, 0.001, -2e-4, 1e-4, -3e-4, 1.2], "fisheye62", 1.2),
        ("plumb_bob", [-0.1, 0.02, 1e-4, -3e-4, 0.0], "brown_conrady", None),
        ("plumb_bob", [0.0] * 5, "pinhole", None),
    ],
)
def test_a_raw_camera_has_a_lens_where_it_is_asked_for(
    tmp_path: Path, stated: str, coefficients: list[float], model: str, limit_rad: float | None
) -> None:
    """Names of ROS and of Foxglove, fisheye62's angle at its end; without the option only fisheye62 is a lens."""
    rig = real(OTHER)
    path = folder(tmp_path, rig)
    changes = {"distortion_model": stated, "distortion_coefficients": coefficients}
    for each in rig.cameras:
        write(path / f"{each.name}.yaml", yaml.safe_dump(calibration_file(each, **changes)))
    camera = ros.read(path, lidar="lidar_top", rectified=False, lens=True).cameras[0]
    assert camera.lens is not None and camera.is_raw
    assert (camera.lens.MODEL, camera.lens.max_angle_rad) == (model, limit_rad)
    used = [value for name, value in camera.lens.parameters.items() if name[0] in "kp"]
    assert used[: len(coefficients)] == coefficients[: len(used)] or model == "fisheye62"
    flat = ros.read(path, lidar="lidar_top", rectified=False).cameras[0]
    assert (flat.lens is None) == (stated != "fisheye62")
    assert ros.read(path, lidar="lidar_top").cameras[0].lens is None
    with pytest.raises(UsageError, match="rectified=false"):
        ros.read(path, lidar="lidar_top", lens=True)


def test_fisheye62_wants_six_coefficients_or_seven(tmp_path: Path) -> None:
    """Foxglove's order is k0 to k3, p0, p1, and an angle that may be left out."""
    camera = real(OTHER).cameras[0]
    changes = {
        "distortion_model": "fisheye62",
        "distortion_coefficients": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
    }
    info = read_camera_info(
        write(tmp_path / "a.yaml", yaml.safe_dump(calibration_file(camera, **changes))), False
    )
    assert info.lens is not None and info.distortion is None
    names = ("k0", "k1", "k2", "k3", "p0", "p1")
    assert [info.lens.parameters[name] for name in names] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    changes["distortion_coefficients"] = [0.1] * 5
    with pytest.raises(InputError, match="for fisheye62, got 5"):
        read_camera_info(
            write(tmp_path / "a.yaml", yaml.safe_dump(calibration_file(camera, **changes))), False
        )


@pytest.mark.parametrize("stated", ["fisheye62", "equidistant"])
def test_autoware_keeps_lenses_as_ros_does(tmp_path: Path, stated: str) -> None:
    """The camera of Autoware's folder has its own name, the lens of its camera_info, and no distortion beside it."""
    rig = real(OTHER)
    path = vehicle_folder(tmp_path, rig)
    coefficients = [0.02, -0.01, 0.001, -2e-4, 1e-4, -3e-4][: 6 if stated == "fisheye62" else 4]
    changes = {"distortion_model": stated, "distortion_coefficients": coefficients}
    for file in path.glob("camera_info/**/*.yaml"):
        write(file, yaml.safe_dump(calibration_file(rig.cameras[0], **changes)))
    camera = autoware.read(path, rectified=False, lens=True).cameras[0]
    assert camera.name == "camera0" and camera.lens is not None and camera.distortion is None
    flat = autoware.read(path, rectified=False).cameras[0]
    assert (flat.lens is None) == (stated == "equidistant") == (flat.distortion is not None)
    with pytest.raises(UsageError, match="rectified=false"):
        autoware.read(path, lens=True)
