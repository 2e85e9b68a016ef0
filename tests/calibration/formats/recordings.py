"""Write recordings with calibrations: ROS bags of both kinds, and MCAP files in every encoding."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.calibration.formats.rigs import RealRig, wxyz, xyz

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


@dataclass(frozen=True)
class Said:
    """One message: when, where, its type, and its plain values."""

    time_ns: int
    topic: str
    kind: str
    values: Mapping[str, Any]


def info(camera: Any, frame: str, **changes: Any) -> dict[str, Any]:
    """Return a CameraInfo by ROS 2's names."""
    return {
        "header": {"stamp": {"sec": 1, "nanosec": 2}, "frame_id": frame},
        "height": camera.size[1],
        "width": camera.size[0],
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": camera.k.ravel().tolist(),
        "r": np.eye(3).ravel().tolist(),
        "p": np.hstack([camera.k, np.zeros((3, 1))]).ravel().tolist(),
        "binning_x": 0,
        "binning_y": 0,
        "roi": {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False},
    } | changes


def edge(parent: str, child: str, pose: np.ndarray) -> dict[str, Any]:
    """Return a TransformStamped."""
    w, x, y, z = wxyz(pose)
    return {
        "header": {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": parent},
        "child_frame_id": child,
        "transform": {
            "translation": dict(zip("xyz", xyz(pose), strict=True)),
            "rotation": {"x": x, "y": y, "z": z, "w": w},
        },
    }


def edges(rig: RealRig) -> list[dict[str, Any]]:
    """Return all frames of a rig on the vehicle."""
    found = [edge("base_link", "lidar_top", rig.lidar2ego)]
    return found + [
        edge("base_link", f"{camera.name}_optical", rig.cam2ego(camera)) for camera in rig.cameras
    ]


def drive(rig: RealRig) -> list[Said]:
    """Return the messages of a short drive, each camera_info twice, and a transform that moves."""
    said = [Said(START, "/tf_static", "tf2_msgs/msg/TFMessage", {"transforms": edges(rig)})]
    for second in (1, 2):
        at = START + second * SECOND
        moving = edge("map", "base_link", np.eye(4) + np.eye(4, k=3) * second)
        said.append(Said(at, "/tf", "tf2_msgs/msg/TFMessage", {"transforms": [moving]}))
        for camera in rig.cameras:
            topic = f"/sensing/{camera.name}/camera_info"
            said.append(Said(at, topic, "sensor_msgs/msg/CameraInfo", info(camera, f"{camera.name}_optical")))
    return said


def _message(store: Any, name: str, values: Mapping[str, Any]) -> Any:
    """Return plain values as a message of a type store."""
    kinds = dict(store.fielddefs[name][1])
    given = {
        key.lower() if key.lower() not in kinds and key not in kinds else key: value
        for key, value in values.items()
    }
    found = {}
    for field, (form, described) in kinds.items():
        value = given.get(field, given.get(field.lower()))
        if form == 1:  # a base type
            found[field] = (
                "" if value is None and described[0] == "string" else value if value is not None else 0
            )
        elif form == 2:
            found[field] = _message(store, described, value or {})
        else:
            inner = described[0]
            found[field] = (
                np.array(value, np.float64)
                if inner[0] == 1
                else [_message(store, inner[1], each) for each in value]
            )
    return store.types[name](**found)


def ros1() -> Any:
    """Return the types of ROS 1, with those of tf2."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    name = "tf2_msgs/msg/TFMessage"
    if name not in store.fielddefs:
        store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", name))
    return store


def write_bag1(path: Path, said: Sequence[Said]) -> Path:
    """Write a ROS 1 bag."""
    from rosbags.rosbag1 import Writer

    store = ros1()
    with Writer(path) as writer:
        made: dict[str, Any] = {}
        for each in said:
            if each.topic not in made:
                made[each.topic] = writer.add_connection(each.topic, each.kind, typestore=store)
            message = _message(store, each.kind, each.values)
            writer.write(made[each.topic], each.time_ns, store.serialize_ros1(message, each.kind))
    return path


def write_bag2(path: Path, said: Sequence[Said], storage: str = "sqlite3") -> Path:
    """Write a ROS 2 recording's folder."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        made: dict[str, Any] = {}
        for each in said:
            if each.topic not in made:
                made[each.topic] = writer.add_connection(each.topic, each.kind, typestore=store)
            message = _message(store, each.kind, each.values)
            writer.write(made[each.topic], each.time_ns, store.serialize_cdr(message, each.kind))
    return path


def write_mcap(
    path: Path,
    said: Sequence[Said],
    encode: Callable[[Said], bytes] = lambda each: json.dumps(each.values).encode(),
    encoding: str = "json",
    schema: tuple[str, Callable[[str], bytes]] = ("jsonschema", lambda _: b"{}"),
    **options: bool,
) -> Path:
    """Write an MCAP file; `options` are those of the writer."""
    from mcap.writer import Writer

    with path.open("wb") as stream:
        writer = Writer(stream, **options)
        writer.start()
        made: dict[str, int] = {}
        for each in said:
            if each.topic not in made:
                number = writer.register_schema(each.kind, schema[0], schema[1](each.kind))
                made[each.topic] = writer.register_channel(each.topic, encoding, number)
            writer.add_message(made[each.topic], each.time_ns, encode(each), each.time_ns)
        writer.finish()
    return path


def foxglove(said: Sequence[Said]) -> list[Said]:
    """Return the same messages in Foxglove's types."""
    found = []
    for each in said:
        if each.kind.endswith("CameraInfo"):
            value = dict(each.values)
            values = {
                key.upper() if len(key) == 1 else key: value[key]
                for key in ("width", "height", "distortion_model", *"dkrp")
            }
            values["frame_id"] = value["header"]["frame_id"]
            found.append(Said(each.time_ns, each.topic, "foxglove.CameraCalibration", values))
        elif each.topic == "/tf_static":
            transforms = [_frame(one) for one in each.values["transforms"]]
            found.append(
                Said(each.time_ns, "/frames", "foxglove.FrameTransforms", {"transforms": transforms})
            )
        else:
            for one in each.values["transforms"]:
                found.append(Said(each.time_ns, "/moving", "foxglove.FrameTransform", _frame(one)))
    return found


def _frame(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "parent_frame_id": one["header"]["frame_id"],
        "child_frame_id": one["child_frame_id"],
        **one["transform"],
    }
