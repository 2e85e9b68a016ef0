"""MCAP: calibration messages of a recording, of ROS 1, ROS 2 or Foxglove's own types (JSON or protobuf).

Frames: as in `rosbag`. Foxglove's `CameraCalibration` is a CameraInfo; its `FrameTransform` maps `child_frame_id` to
`parent_frame_id`. Points are in the frame that the option `lidar` names.

Pitfalls:
- A calibration that changes within the recording is an error that names both times; `at` chooses one.
- Of ROS only /tf_static is read. Foxglove's transforms do not say which are static: one that changes is an error if a
  camera's pose depends on it.
- Foxglove calls ROS's `equidistant` kannala_brandt, and has fisheye62.
- Cameras are in the order of their topics' names; `cameras` states the order that the model was trained with.
- A recording that was cut off is an error, although its first messages could be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from specialize.calibration.formats.recorded import Recording, kind_of, plain, take
from specialize.calibration.formats.ros import Wanted
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError, missing_package

LARGEST_RECORD = 1 << 30
"""Bytes of a chunk beyond which it is taken for damage."""
Decoder = Callable[[bytes], Mapping[str, Any]]


def read(
    path: Path,
    lidar: str = "",
    at: str = "",
    rectified: bool = True,
    cameras: str = "",
    frames: str = "",
    lens: bool = False,
    vehicle_frame: str = "base_link",
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one vehicle.

    Args:
        path: The file.
        lidar: Frame of the points; required.
        at: Time in seconds whose calibration is taken; without it the calibration must not change.
        rectified: Whether the model sees rectified images.
        cameras: Camera names in order, separated by commas; sorted by topic if empty.
        frames: Optical frames of cameras as `name=frame`, separated by commas.
        lens: Whether the model projects raw images through their lens; needs rectified=false.
        vehicle_frame: The vehicle's frame, if it is in the tree.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    wanted = Wanted(lidar, cameras, frames, vehicle_frame, vehicle or path.resolve().stem)
    return _recording(path).rig(wanted, "mcap", at, rectified, lens)


def _recording(path: Path) -> Recording:
    if not path.is_file():
        raise InputError(str(path), "an MCAP file", "a folder", "for a ROS 2 recording's folder use rosbag")
    try:
        from mcap.reader import NonSeekingReader, SeekingReader
    except ImportError:
        raise missing_package("mcap", "mcap", "ros", "to read recordings") from None
    recording, decoders = Recording(str(path)), _Decoders()
    try:
        with path.open("rb") as stream:
            reader = SeekingReader(stream, validate_crcs=True, record_size_limit=LARGEST_RECORD)
            summary = reader.get_summary()
            topics, indexed = (
                _topics(summary),
                summary is not None and summary.channels and summary.chunk_indexes,
            )
            if not indexed:  # read from the beginning, as it was recorded: to sort it would hold all of it
                stream.seek(0)
                reader = NonSeekingReader(stream, validate_crcs=True, record_size_limit=LARGEST_RECORD)
            for schema, channel, message in reader.iter_messages(topics=topics, log_time_order=bool(indexed)):
                kind = kind_of(schema.name) if schema else ""
                if kind:
                    values = decoders.of(schema, channel.message_encoding)(message.data)
                    take(recording, kind, channel.topic, message.log_time, values)
    except (InputError, UsageError):
        raise
    except Exception as error:  # mcap raises errors of its own, of struct, and of decompressors
        hint = "a recording that was interrupted can be repaired: `mcap recover`"
        raise InputError(
            str(path), "a whole MCAP file", f"{type(error).__name__}: {error}"[:300], hint
        ) from error
    return Recording(recording.source, dict(sorted(recording.infos.items())), recording.edges)


def _topics(summary: Any) -> list[str] | None:
    """Return the topics with calibration, or None if the file has no summary."""
    if summary is None or not summary.channels:
        return None
    schemas = {number: schema.name for number, schema in summary.schemas.items()}
    return [each.topic for each in summary.channels.values() if kind_of(schemas.get(each.schema_id, ""))]


class _Decoders:
    """Decoders by schema and encoding, each made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], Decoder] = {}

    def of(self, schema: Any, encoding: str) -> Decoder:
        """Return what decodes a message to plain values."""
        key = (schema.id, encoding)
        if key not in self._made:
            self._made[key] = _decoder(schema, encoding)
        return self._made[key]


def _decoder(schema: Any, encoding: str) -> Decoder:
    if encoding == "json":
        return json.loads
    if encoding in ("cdr", "ros1"):
        return _ros(schema, encoding == "ros1")
    if encoding == "protobuf":
        return _protobuf(schema)
    found = f"{encoding or 'nothing'} for {schema.name}"
    raise InputError("message encoding", "cdr, ros1, json or protobuf", found)


def _ros(schema: Any, is_first: bool) -> Decoder:
    """Return the decoder of a message of ROS, by the definition in the file."""
    try:
        from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
    except ImportError:
        raise missing_package("mcap", "rosbags", "ros", "to read messages of ROS") from None
    store = get_typestore(Stores.EMPTY)
    name = schema.name if "/msg/" in schema.name else schema.name.replace("/", "/msg/")
    definition = schema.data.decode()
    parse = get_types_from_idl if "idl" in schema.encoding else None
    store.register(parse(definition) if parse else get_types_from_msg(definition, name))
    if is_first:
        return lambda data: plain(store.deserialize_ros1(data, name))
    return lambda data: plain(store.deserialize_cdr(data, name))


def _protobuf(schema: Any) -> Decoder:
    """Return the decoder of a protobuf message, by the file descriptors in the file."""
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

    files = descriptor_pb2.FileDescriptorSet.FromString(schema.data)
    pool = descriptor_pool.DescriptorPool()
    for each in files.file:
        pool.Add(each)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema.name))
    return lambda data: json_format.MessageToDict(
        kind.FromString(data), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
