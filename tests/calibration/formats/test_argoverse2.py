"""Argoverse 2 feather tables: sizes per camera, and the frame of the points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.feather
import pytest

from specialize.calibration.formats import argoverse2
from specialize.errors import InputError
from tests.calibration.formats.rigs import RealRig, check, real, wxyz, xyz


def write_log(root: Path, rig: RealRig) -> Path:
    """Write the two tables of a log, with a stereo camera besides the ring."""
    folder = root / "log1" / "calibration"
    folder.mkdir(parents=True)
    lenses, poses = [], [("up_lidar", rig.lidar2ego)]
    for camera in reversed(rig.cameras):
        k = camera.k
        lenses.append((camera.name, k[0, 0], k[1, 1], k[0, 2], k[1, 2], -0.2, 0.1, 0.0, *camera.size[::-1]))
        poses.append((camera.name, rig.cam2ego(camera)))
    lenses.append(("stereo_front_left", 1000.0, 1000.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1550, 2048))
    poses.append(("stereo_front_left", np.eye(4)))
    names = ("sensor_name", "fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "k3", "height_px", "width_px")
    save(folder / "intrinsics.feather", [dict(zip(names, row, strict=True)) for row in lenses])
    keys = ("sensor_name", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
    rows = [dict(zip(keys, (name, *wxyz(pose), *xyz(pose)), strict=True)) for name, pose in poses]
    save(folder / "egovehicle_SE3_sensor.feather", rows)
    return root / "log1"


def save(path: Path, rows: list[dict[str, object]]) -> None:
    """Write a feather table."""
    pyarrow.feather.write_feather(pyarrow.Table.from_pylist(rows), path)


@pytest.mark.parametrize("name", ["argoverse2_test_log", "argoverse2_7fab2350-7eaf-3b7e-a39d-6937a4c1bede"])
def test_a_log_is_read_with_a_portrait_camera(tmp_path: Path, name: str) -> None:
    """For the roof lidar's points the poses are the recorded ones; the ring only, in its order."""
    rig = real(name)
    profile = argoverse2.read(write_log(tmp_path, rig), points="up_lidar")
    check(profile, rig)
    assert profile.vehicle == "log1"
    assert profile.sizes_px()[0].tolist() == [1550, 2048]


def test_points_are_in_the_vehicle_frame_unless_said_otherwise(tmp_path: Path) -> None:
    """Sweeps are delivered in the vehicle frame; the two readings differ by the lidar's pose."""
    rig = real("argoverse2_test_log")
    profile = argoverse2.read(write_log(tmp_path, rig) / "calibration")
    np.testing.assert_array_equal(profile.ego_from_lidar, np.eye(4))
    lens = profile.cameras[0].as_pinhole()
    np.testing.assert_allclose(
        lens.camera_from_lidar @ rig.lidar2ego, rig.cameras[0].lidar2cam, rtol=0, atol=1e-9
    )


def test_wrong_names_and_files_are_refused(tmp_path: Path) -> None:
    """An unknown lidar, a missing table and a table of something else are errors."""
    log = write_log(tmp_path, real("argoverse2_test_log"))
    with pytest.raises(InputError, match="option points: expected a sensor of this log, got 'uplidar'"):
        argoverse2.read(log, points="uplidar")
    save(log / "calibration" / "intrinsics.feather", [{"sensor_name": "a"}])
    with pytest.raises(InputError, match="expected the key 'fx_px'"):
        argoverse2.read(log)
    (log / "calibration" / "intrinsics.feather").write_bytes(b"no feather")
    with pytest.raises(InputError, match="expected a feather table"):
        argoverse2.read(log)
    (log / "calibration" / "intrinsics.feather").unlink()
    with pytest.raises(InputError, match="expected a feather file, got no such file"):
        argoverse2.read(log)
