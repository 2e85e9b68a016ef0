"""nuScenes tables, and those of data sets that copy their layout (Lyft).

Frames: `calibrated_sensor` maps a sensor to the vehicle (ego), quaternions w first; cameras in optical
axes; points are those of LIDAR_TOP (nuScenes: x right, y forward, z up; Lyft's is turned).

Pitfalls:
- lidar2img also needs the record of LIDAR_TOP.
- One table holds many vehicles: name a scene or a sample, unless there is one record per channel.
- The stock training pipeline adds the vehicle's motion between the two exposures (`compensated`):
  inv(cam2ego) inv(ego2global at camera time) ego2global at lidar time lidar2ego, in float64, because
  global positions are about 1e3 m. That calibration changes from frame to frame.
- Images are undistorted already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from specialize.calibration.camera import Camera
from specialize.calibration.formats.source import (
    SIX_CAMERAS,
    folder,
    in_order,
    parse_size,
    pose_from,
    read_json,
    require,
)
from specialize.calibration.pose import Matrix, inverse, product
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest

Record = dict[str, Any]


class Reading(NamedTuple):
    """One sensor at one time: its calibrated_sensor record, and its sample_data record if there is one."""

    calibrated: Record
    data: Record | None


def read(
    path: Path,
    scene: str = "",
    sample: str = "",
    compensated: bool = False,
    lidar: str = "LIDAR_TOP",
    cameras: str = "",
    size: str = "1600x900",
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one vehicle, or of one frame.

    Args:
        path: Folder with calibrated_sensor.json, sensor.json and, unless there is one rig only,
            sample_data.json, sample.json, scene.json (and ego_pose.json if compensated).
        scene: Name or token of a scene; its first sample is taken.
        sample: Token of a sample (a keyframe); overrides `scene`.
        compensated: Include the motion between lidar and camera exposure.
        lidar: Channel whose points the model reads.
        cameras: Channels in order, separated by commas; BEVFormer's order if empty.
        size: Image size where no sample_data states it.
        vehicle: Name of the vehicle; the scene, sample or folder if empty.
    """
    root = folder(path)
    channels = _channels(root)
    readings = _readings(root, channels, scene, sample)
    if lidar not in readings:
        raise InputError(str(root), f"a record of the channel {lidar!r}", "nothing", closest(lidar, readings))
    found = {name: reading for name, reading in readings.items() if name.startswith("CAM")}
    chosen = in_order(found, cameras, SIX_CAMERAS, str(root))
    ego_from_lidar = _sensor_pose(readings[lidar], root)
    poses = _ego_poses(root, [readings[lidar], *chosen.values()]) if compensated else {}
    result = []
    for name, reading in chosen.items():
        ego_from_points, offset_s = ego_from_lidar, 0.0
        if compensated:
            at_camera, at_lidar = _data(reading, root), _data(readings[lidar], root)
            global_from_points = product(poses[at_lidar["ego_pose_token"]], ego_from_lidar)
            ego_from_points = product(inverse(poses[at_camera["ego_pose_token"]]), global_from_points)
            offset_s = (at_camera["timestamp"] - at_lidar["timestamp"]) * 1e-6
        pose = product(inverse(_sensor_pose(reading, root)), ego_from_points)
        size_px = parse_size(size, "option size")
        if reading.data is not None and reading.data.get("width"):
            size_px = size_px._replace(width_px=reading.data["width"], height_px=reading.data["height"])
        intrinsic = reading.calibrated["camera_intrinsic"]
        result.append(Camera.pinhole(name, size_px, intrinsic, pose, time_offset_s=offset_s))
    return CalibrationProfile(vehicle or scene or sample or root.name, tuple(result), ego_from_lidar)


def _table(root: Path, name: str) -> list[Record]:
    """Return the records of one table."""
    records = read_json(root / f"{name}.json")
    if not isinstance(records, list):
        raise InputError(str(root / f"{name}.json"), "a list of records", type(records).__name__)
    return records


def _channels(root: Path) -> dict[str, str]:
    """Return the channel of every sensor token."""
    sensors = _table(root, "sensor")
    for record in sensors:
        require(record, ("token", "channel"), str(root / "sensor.json"))
    return {record["token"]: record["channel"] for record in sensors}


def _readings(root: Path, channels: dict[str, str], scene: str, sample: str) -> dict[str, Reading]:
    """Return one reading per channel: of a sample, of a scene's first sample, or of the only rig."""
    calibrated = {record["token"]: record for record in _table(root, "calibrated_sensor")}
    if not (scene or sample):
        return _only_rig(root, channels, list(calibrated.values()))
    token = sample or _first_sample(root, scene)
    readings = {}
    for data in _table(root, "sample_data"):
        if data["sample_token"] == token and data.get("is_key_frame", True):
            record = calibrated[data["calibrated_sensor_token"]]
            readings[channels[record["sensor_token"]]] = Reading(record, data)
    if not readings:
        raise InputError(str(root / "sample_data.json"), f"records of the sample {token!r}", "none")
    return readings


def _only_rig(root: Path, channels: dict[str, str], records: list[Record]) -> dict[str, Reading]:
    """Return the only calibrated sensor of each channel."""
    readings: dict[str, Reading] = {}
    for record in records:
        channel = channels[record["sensor_token"]]
        if channel in readings:
            count = sum(channels[other["sensor_token"]] == channel for other in records)
            where = str(root / "calibrated_sensor.json")
            raise InputError(where, f"one calibration of {channel}", f"{count}", "name a scene or a sample")
        readings[channel] = Reading(record, None)
    return readings


def _first_sample(root: Path, scene: str) -> str:
    """Return the token of a scene's first sample."""
    scenes = _table(root, "scene")
    for record in scenes:
        if scene in (record["name"], record["token"]):
            return str(record["first_sample_token"])
    hint = closest(scene, [record["name"] for record in scenes])
    raise InputError(str(root / "scene.json"), "a known scene", repr(scene), hint)


def _sensor_pose(reading: Reading, root: Path) -> Matrix:
    """Return ego_from_sensor (4, 4)."""
    record = reading.calibrated
    where = f"{root / 'calibrated_sensor.json'}: {record.get('token', '?')}"
    require(record, ("rotation", "translation"), where)
    return pose_from(record["rotation"], record["translation"], where)


def _ego_poses(root: Path, readings: list[Reading]) -> dict[str, Matrix]:
    """Return global_from_ego (4, 4) of the readings' ego poses, by token."""
    wanted = {_data(reading, root)["ego_pose_token"] for reading in readings}
    where = str(root / "ego_pose.json")
    return {
        record["token"]: pose_from(record["rotation"], record["translation"], f"{where}: {record['token']}")
        for record in _table(root, "ego_pose")
        if record["token"] in wanted
    }


def _data(reading: Reading, root: Path) -> Record:
    """Return the sample_data record, which tells the time and the ego pose."""
    if reading.data is None:
        raise InputError(str(root), "a scene or a sample, because motion is compensated", "neither")
    return reading.data
