"""Make a rig of what a recording says about calibration over time: camera_infos and static transforms.

A calibration that changes within a recording is an error that names both times, unless a time is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from specialize.calibration.formats.camera_info import camera_info_of
from specialize.calibration.formats.frames import FrameTree
from specialize.calibration.formats.ros import Wanted, require_lidar, require_raw_images, rig_of, transform_of
from specialize.calibration.node import Node
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError

_NS = Decimal(1_000_000_000)
_INFO = "/camera_info"


@dataclass(frozen=True, slots=True)
class Stated:
    """What was recorded under one name: the plain values that differ, each with the time when it was first so, ns."""

    values: list[tuple[int, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, time_ns: int, value: Any, text: str) -> None:
        """Keep a value if it is another one than the one before; recordings are read in order of time."""
        if not self.texts or self.texts[-1] != text:
            self.values.append((time_ns, value))
            self.texts.append(text)

    def at(self, time_ns: int | None, where: str) -> Any:
        """Return what held at a time, or all along.

        Raises:
            InputError: It changed, and no time is given, or there was none yet.
        """
        if time_ns is None:
            if error := self.change(where):
                raise error
            return self.values[0][1]
        before = [value for time, value in self.values if time <= time_ns]
        if not before:
            raise InputError(
                where,
                f"a calibration at {seconds(time_ns)} or before",
                f"first at {seconds(self.values[0][0])}",
            )
        return before[-1]

    def change(self, where: str) -> InputError | None:
        """Return the error of a value that changes, or None."""
        if len(self.values) < 2:
            return None
        first, second = (seconds(time) for time, _ in self.values[:2])
        found = f"one at {first} s and another one at {second} s"
        if len(self.values) > 2:
            found += f", and {len(self.values) - 2} more changes"
        return InputError(
            where, "one calibration in the whole recording", found, f"choose one with -O at={second}"
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """What a recording states, by camera topic and by child frame."""

    source: str
    infos: dict[str, Stated] = field(default_factory=dict)
    edges: dict[str, Stated] = field(default_factory=dict)

    def info(self, time_ns: int, topic: str, document: Mapping[str, Any]) -> None:
        """Add a camera_info as plain values."""
        held = {key: value for key, value in document.items() if key != "header"}
        frame = (document.get("header") or {}).get("frame_id", "")
        value = held | {"header": {"frame_id": frame}}
        self.infos.setdefault(topic, Stated()).add(time_ns, value, _text(value))

    def transform(self, time_ns: int, document: Mapping[str, Any]) -> None:
        """Add a TransformStamped as plain values."""
        value = {
            "header": {"frame_id": (document.get("header") or {}).get("frame_id", "")},
            "child_frame_id": document.get("child_frame_id"),
            "transform": document.get("transform"),
        }
        child = str(value["child_frame_id"]).lstrip("/")
        self.edges.setdefault(child, Stated()).add(time_ns, value, _text(value))

    def rig(self, wanted: Wanted, name: str, at: str, rectified: bool, lens: bool) -> CalibrationProfile:
        """Return the vehicle, at a time in seconds if one is given.

        Raises:
            UsageError: An option is missing, or is not what it should be.
            InputError: The recording has no calibration, or it changes.
        """
        require_raw_images(lens, rectified, name)
        time_ns = _time(at, name)
        if not self.infos:
            found = f"{len(self.edges)} transforms and no camera_info"
            raise InputError(self.source, "a recording with camera_info messages", found)
        tree = self._tree(time_ns)
        require_lidar(wanted.lidar, tree, name)
        names = _names(list(self.infos))
        infos = []
        for topic, stated in self.infos.items():
            where = f"{self.source}: {topic}"
            infos.append(camera_info_of(stated.at(time_ns, where), where, names[topic], rectified, lens))
        return rig_of(self.source, tree, infos, wanted)

    def _tree(self, time_ns: int | None) -> FrameTree:
        """Return the tree of frames; an edge that changes is an error where a camera's pose depends on it."""
        tree = FrameTree(self.source)
        for child, stated in self.edges.items():
            where = f"{self.source}: transform to {child!r}"
            changed = stated.change(where) if time_ns is None else None
            values = [value for time, value in stated.values if time_ns is None or time <= time_ns]
            value = values[-1] if values else stated.values[0][1]
            tree.add(*transform_of(Node(value, where)))
            if changed is not None:
                tree.doubt(child, changed)
        return tree


def seconds(time_ns: int) -> str:
    """Return a time in seconds with all its digits."""
    return f"{Decimal(time_ns) / _NS:f}"


def plain(value: Any) -> Any:
    """Return a message as plain values: objects by their fields, arrays as lists."""
    if isinstance(value, str | int | float | bool | type(None)):
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    names = getattr(value, "__dataclass_fields__", None)
    if names is not None:
        return {key: plain(getattr(value, key)) for key in names if not key.startswith("__")}
    return [plain(each) for each in value]


def take(recording: Recording, kind: str, topic: str, time_ns: int, message: Mapping[str, Any]) -> None:
    """Add a message of one of `KINDS`, as plain values."""
    KINDS[kind](recording, topic, time_ns, message)


def _take_info(recording: Recording, topic: str, time_ns: int, message: Mapping[str, Any]) -> None:
    recording.info(time_ns, topic, message)


def _take_transforms(recording: Recording, topic: str, time_ns: int, message: Mapping[str, Any]) -> None:
    if topic.endswith("tf_static"):  # what is not static is no calibration
        for each in message.get("transforms") or ():
            recording.transform(time_ns, each)


def _take_calibration(recording: Recording, topic: str, time_ns: int, message: Mapping[str, Any]) -> None:
    recording.info(time_ns, topic, dict(message) | {"header": {"frame_id": message.get("frame_id", "")}})


def _take_frame(recording: Recording, topic: str, time_ns: int, message: Mapping[str, Any]) -> None:
    parts = {key: message.get(key) for key in ("translation", "rotation")}
    header = {"frame_id": message.get("parent_frame_id", "")}
    child = message.get("child_frame_id")
    recording.transform(time_ns, {"header": header, "child_frame_id": child, "transform": parts})


def _take_frames(recording: Recording, topic: str, time_ns: int, message: Mapping[str, Any]) -> None:
    for each in message.get("transforms") or ():
        _take_frame(recording, topic, time_ns, each)


KINDS: Mapping[str, Callable[[Recording, str, int, Mapping[str, Any]], None]] = {
    "sensor_msgs/CameraInfo": _take_info,
    "tf2_msgs/TFMessage": _take_transforms,
    "tf/tfMessage": _take_transforms,
    "foxglove.CameraCalibration": _take_calibration,
    "foxglove.FrameTransform": _take_frame,
    "foxglove.FrameTransforms": _take_frames,
}
"""Types of messages with calibration, and what takes them."""


def kind_of(message_type: str) -> str:
    """Return the entry of `KINDS` for a type as ROS 1, ROS 2 or Foxglove write it, or nothing."""
    short = message_type.replace("/msg/", "/")
    if short.startswith("foxglove_msgs/"):
        short = "foxglove." + short.removeprefix("foxglove_msgs/")
    return short if short in KINDS else ""


def _names(topics: Iterable[str]) -> dict[str, str]:
    """Return names of cameras by topic: the last part before `camera_info` that tells them apart."""
    parts = {}
    for topic in topics:
        words = [word for word in topic.removesuffix(_INFO).strip("/").split("/") if word]
        words = [
            word for word in words if word not in ("camera_info", "image_raw", "image_rect_color")
        ] or words
        parts[topic] = words or [topic]
    for count in range(1, max(map(len, parts.values()), default=1) + 1):
        names = {topic: "_".join(words[-count:]) for topic, words in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {topic: topic.strip("/").replace("/", "_") for topic in parts}


def _time(at: str, name: str) -> int | None:
    if not at:
        return None
    try:
        return int(Decimal(at) * _NS)
    except (InvalidOperation, ValueError, OverflowError):
        raise UsageError(f"{name}: option at", "a time in seconds, as errors print it", repr(at)) from None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
