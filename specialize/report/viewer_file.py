"""Write messages for viewers as an MCAP file, each with the schema of its type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from specialize.errors import missing_package
from specialize.files.atomic import write_file
from specialize.report.viewer import Message
from specialize.version import VERSION


def write_messages(path: Path, messages: Iterable[Message]) -> None:
    """Write an MCAP file; the same messages give the same bytes.

    Raises:
        UsageError: The package mcap is not installed.
    """
    write_file(path, mcap_bytes(messages))


def mcap_bytes(messages: Iterable[Message]) -> bytes:
    """Return an MCAP file with JSON messages, all at time 0: a calibration has none."""
    try:
        from mcap.writer import CompressionType, Writer
    except ImportError:
        raise missing_package("--mcap", "mcap", "ros") from None
    from io import BytesIO

    held = BytesIO()
    writer = Writer(held, compression=CompressionType.NONE)
    writer.start(library=f"specialize {VERSION}")
    schemas: dict[str, int] = {}
    for message in messages:
        if message.kind not in schemas:
            schema = json.dumps(schema_of(message.kind)).encode()
            schemas[message.kind] = writer.register_schema(message.kind, "jsonschema", schema)
        channel = writer.register_channel(message.topic, "json", schemas[message.kind])
        data = json.dumps(message.values, allow_nan=False, ensure_ascii=False).encode()
        writer.add_message(channel, 0, data, 0)
    writer.finish()
    return held.getvalue()


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one of Foxglove's types, as far as it is used here."""
    return {"title": kind, **_TYPES[kind]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _many(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT, _NUMBER, _WHOLE, _FLAG = ({"type": name} for name in ("string", "number", "integer", "boolean"))
_TIME = {"title": "time", **_object(sec=_WHOLE, nsec=_WHOLE)}
_DURATION = {"title": "duration", **_object(sec=_WHOLE, nsec=_WHOLE)}
_VECTOR = _object(x=_NUMBER, y=_NUMBER, z=_NUMBER)
_TURN = _object(x=_NUMBER, y=_NUMBER, z=_NUMBER, w=_NUMBER)
_POSE = _object(position=_VECTOR, orientation=_TURN)
_COLOR = _object(r=_NUMBER, g=_NUMBER, b=_NUMBER, a=_NUMBER)
_LINE = _object(
    type=_WHOLE, pose=_POSE, thickness=_NUMBER, scale_invariant=_FLAG, points=_many(_VECTOR), color=_COLOR,
    colors=_many(_COLOR), indices=_many(_WHOLE),
)  # fmt: skip
_TRIANGLES = _object(
    pose=_POSE, points=_many(_VECTOR), color=_COLOR, colors=_many(_COLOR), indices=_many(_WHOLE)
)
_ENTITY = _object(
    timestamp=_TIME, frame_id=_TEXT, id=_TEXT, lifetime=_DURATION, frame_locked=_FLAG,
    metadata=_many(_object(key=_TEXT, value=_TEXT)), arrows=_many({"type": "object"}), cubes=_many({"type": "object"}),
    spheres=_many({"type": "object"}), cylinders=_many({"type": "object"}), lines=_many(_LINE),
    triangles=_many(_TRIANGLES), texts=_many({"type": "object"}), models=_many({"type": "object"}),
)  # fmt: skip
_TYPES: Mapping[str, dict[str, Any]] = {
    "foxglove.CameraCalibration": _object(
        timestamp=_TIME, frame_id=_TEXT, width=_WHOLE, height=_WHOLE, distortion_model=_TEXT,
        **{letter: _many(_NUMBER) for letter in "DKRP"},
    ),
    "foxglove.FrameTransforms": _object(
        transforms=_many(
            _object(timestamp=_TIME, parent_frame_id=_TEXT, child_frame_id=_TEXT, translation=_VECTOR, rotation=_TURN)
        )
    ),
    "foxglove.SceneUpdate": _object(deletions=_many({"type": "object"}), entities=_many(_ENTITY)),
}  # fmt: skip
