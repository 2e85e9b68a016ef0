"""nuScenes tables: a static rig, a moving frame, and several rigs in one table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.formats import nuscenes
from specialize.errors import InputError
from tests.calibration.formats.rigs import FRAME, LATE, OTHER, RealRig, check, real, wxyz, xyz


def record(token: str, channel: str, pose: np.ndarray, k: list[list[float]]) -> dict[str, object]:
    """Return one calibrated_sensor."""
    return {
        "token": f"{token}/{channel}",
        "sensor_token": f"s/{channel}",
        "rotation": wxyz(pose),
        "translation": xyz(pose),
        "camera_intrinsic": k,
    }


def rig_records(token: str, rig: RealRig) -> list[dict[str, object]]:
    """Return the calibrated_sensor records of one vehicle; cameras in another order than the model's."""
    cameras = [record(token, c.name, rig.cam2ego(c), c.k.tolist()) for c in reversed(rig.cameras)]
    return [
        *cameras,
        record(token, "LIDAR_TOP", rig.lidar2ego, []),
        record(token, "RADAR_FRONT", np.eye(4), []),
    ]


def write_tables(root: Path, rigs: dict[str, RealRig], **tables: list[dict[str, object]]) -> Path:
    """Write sensor and calibrated_sensor of some vehicles, and further tables."""
    channels = [*next(iter(rigs.values())).names(), "LIDAR_TOP", "RADAR_FRONT"]
    tables |= {
        "sensor": [{"token": f"s/{name}", "channel": name, "modality": "any"} for name in channels],
        "calibrated_sensor": [entry for token, rig in rigs.items() for entry in rig_records(token, rig)],
    }
    for name, records in tables.items():
        (root / f"{name}.json").write_text(json.dumps(records))
    return root


def frame_tables(rig: RealRig, frame: RealRig) -> dict[str, list[dict[str, object]]]:
    """Return the tables of one recorded frame; each camera's ego pose follows from its stored pose."""
    at_lidar = np.array(frame.raw["ego2global"])
    data, poses = [], []
    for static, moving in zip(rig.cameras, frame.cameras, strict=True):
        from_camera = rig.lidar2ego @ np.linalg.inv(static.lidar2cam)
        at_camera = at_lidar @ rig.lidar2ego @ np.linalg.inv(moving.lidar2cam) @ np.linalg.inv(from_camera)
        data.append((moving.name, moving.raw["timestamp_us"], moving.size, at_camera))
    data.append(("LIDAR_TOP", frame.raw["timestamp_us"], (0, 0), at_lidar))
    poses = [{"token": f"e/{n}", "rotation": wxyz(pose), "translation": xyz(pose)} for n, _, _, pose in data]
    sample_data = [
        {
            "sample_token": "sample7",
            "is_key_frame": True,
            "calibrated_sensor_token": f"late/{name}",
            "ego_pose_token": f"e/{name}",
            "timestamp": stamp,
            "width": size[0],
            "height": size[1],
        }
        for name, stamp, size, _ in data
    ]
    sweep = {**sample_data[0], "is_key_frame": False, "calibrated_sensor_token": "other/CAM_FRONT"}
    scenes = [{"token": "t", "name": "scene-0007", "first_sample_token": "sample7"}]
    return {"sample_data": [*sample_data, sweep], "ego_pose": poses, "scene": scenes}


def test_a_single_rig_is_read_without_samples(tmp_path: Path) -> None:
    """One record per channel is the vehicle; cameras come in BEVFormer's order, the radar is left out."""
    rig = real(OTHER)
    profile = nuscenes.read(write_tables(tmp_path, {"only": rig}))
    check(profile, rig)
    np.testing.assert_allclose(profile.ego_from_lidar, rig.lidar2ego, rtol=0, atol=1e-12)


def test_several_rigs_need_a_scene_or_a_sample(tmp_path: Path) -> None:
    """A table of two vehicles is refused until a scene says which."""
    rigs = {"late": real(LATE), "other": real(OTHER)}
    write_tables(tmp_path, rigs, **frame_tables(rigs["late"], real(FRAME)))
    with pytest.raises(InputError, match="expected one calibration of CAM_BACK_RIGHT, got 2"):
        nuscenes.read(tmp_path)
    check(nuscenes.read(tmp_path, scene="scene-0007"), rigs["late"])
    with pytest.raises(InputError, match="did you mean 'scene-0007'"):
        nuscenes.read(tmp_path, scene="scene-0008")


def test_motion_between_the_exposures_is_compensated(tmp_path: Path) -> None:
    """The compensated pose is the one recorded for that frame, and differs from the static one by pixels."""
    rigs = {"late": real(LATE), "other": real(OTHER)}
    frame = real(FRAME)
    write_tables(tmp_path, rigs, **frame_tables(rigs["late"], frame))
    profile = nuscenes.read(tmp_path, sample="sample7", compensated=True)
    check(profile, frame, atol=1e-8)
    offset_s = (frame.cameras[0].raw["timestamp_us"] - frame.raw["timestamp_us"]) * 1e-6
    assert profile.cameras[0].time_offset_s == pytest.approx(offset_s)
    assert -0.06 < offset_s < 0
    moved = np.abs(frame.cameras[2].lidar2cam - rigs["late"].cameras[2].lidar2cam).max()
    assert moved > 0.1


def test_motion_needs_a_frame(tmp_path: Path) -> None:
    """Without a scene or sample there is no motion to compensate."""
    write_tables(tmp_path, {"only": real(OTHER)})
    with pytest.raises(InputError, match="expected a scene or a sample, because motion is compensated"):
        nuscenes.read(tmp_path, compensated=True)


def test_cameras_can_be_chosen_and_ordered(tmp_path: Path) -> None:
    """The option `cameras` gives names and order; an unknown one names the closest."""
    write_tables(tmp_path, {"only": real(OTHER)})
    chosen = nuscenes.read(tmp_path, cameras="CAM_BACK, CAM_FRONT")
    assert chosen.camera_names() == ("CAM_BACK", "CAM_FRONT")
    with pytest.raises(InputError, match="did you mean 'CAM_FRONT'"):
        nuscenes.read(tmp_path, cameras="CAM_FRNT")


def test_a_lidar_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Points of an unknown lidar have no pose."""
    write_tables(tmp_path, {"only": real(OTHER)})
    with pytest.raises(InputError, match="did you mean 'LIDAR_TOP'"):
        nuscenes.read(tmp_path, lidar="LIDAR_TOPP")
