"""Changes to files: of bytes, of words in a text, of fields in an ONNX file. The same seed makes the same changes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import onnx
from google.protobuf.message import Message

NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    127,
    255,
    256,
    1 << 16,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 31,
    1 << 40,
    (1 << 63) - 1,
    -(1 << 63),
)
WORDS = (
    "", "~", "null", "true", "0", "1e20", "1e400", "-.inf", ".nan", "nan", "NaN", "9" * 30, "0x10", "''", "[]", "{}",
    "[[1, 2], [3]]", "&a [*a]", "*a", "!!float 1", "\\e[2J", "\x1b[2J", "\u202e", "a: b", "- x", "---", "{a: 1, a: 2}",
    '"', "'", "#", "%", "..", "/", "\0", "lidar2img", "x" * 300,
)  # fmt: skip
_INNER = ("NodeProto", "AttributeProto", "TensorProto")
TOKEN = re.compile(r"[\w.+-]+|[^\w\s]|\s+")


def mutated(data: bytes, kind: str, others: Sequence[bytes], dice: random.Random) -> bytes:
    """Return a file after one to four changes.

    Args:
        data: The file.
        kind: `text`, `bytes` or `onnx`: which changes are made beside those of bytes.
        others: Files whose parts may be put in.
        dice: Where all choices come from.
    """
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        how = dice.random()
        if kind == "onnx" and how < 0.9:
            data = _changed_graph(data, dice)
        elif kind == "text" and how < 0.8:
            data = _changed_text(data, dice)
        else:
            data = _changed_bytes(data, others, dice)
    return data


def _changed_bytes(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    place = dice.randrange(len(data) + 1)
    end = min(len(data), place + dice.choice((1, 1, 2, 4, 8, 64)))
    other = dice.choice(others) if others else data
    start = dice.randrange(len(other) + 1)
    part = dice.choice(
        (
            b"",
            bytes([dice.randrange(256)]),
            b"\xff" * (end - place),
            dice.choice(NUMBERS).to_bytes(8, "little", signed=True),
            dice.choice(WORDS).encode(),
            other[start : start + dice.choice((1, 8, 64, 512))],
            data[place:end] * 2,
        )
    )
    if dice.random() < 0.1:
        return data[:place]
    return data[:place] + part + data[end if dice.random() < 0.7 else place :]


def _changed_text(data: bytes, dice: random.Random) -> bytes:
    words = TOKEN.findall(data.decode(errors="replace"))
    if not words:
        return dice.choice(WORDS).encode()
    place = dice.randrange(len(words))
    how = dice.randrange(5)
    if how == 0:
        words[place] = dice.choice(WORDS)
    elif how == 1:
        words[place] = dice.choice(words)
    elif how == 2:
        del words[place : place + dice.choice((1, 2, 8))]
    elif how == 3:
        words[place:place] = words[place : place + dice.choice((1, 4, 32))]
    else:
        words[place] = words[place] + str(dice.choice(NUMBERS))
    return "".join(words).encode()


def _changed_graph(data: bytes, dice: random.Random) -> bytes:
    """Change one field of an ONNX file, or take away, repeat or move a part of it."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception:  # not a file of that form any more
        return data
    parts = list(_messages(model))
    inner = [part for part in parts if part.DESCRIPTOR.name in _INNER] or parts
    for _ in range(8):
        part = dice.choice(inner if dice.random() < 0.8 else parts)
        if _change(part, parts, dice):
            break
    return bytes(model.SerializeToString())


def _messages(message: Message) -> list[Message]:
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is not None:
            inner = [value] if isinstance(value, Message) else list(value)
            found += [part for one in inner for part in _messages(one)]
    return found


def _change(part: Message, parts: Sequence[Message], dice: random.Random) -> bool:
    """Change one field of a message; return whether that could be done."""
    field = dice.choice(part.DESCRIPTOR.fields)
    many = not isinstance(getattr(part, field.name), str | bytes | int | float | Message)
    try:
        if many:
            return _change_many(getattr(part, field.name), field, parts, dice)
        if dice.random() < 0.2:
            part.ClearField(field.name)
        elif field.message_type is not None:
            getattr(part, field.name).CopyFrom(_alike(field.message_type, parts, dice))
        else:
            setattr(part, field.name, _scalar(field, getattr(part, field.name), parts, dice))
    except (TypeError, ValueError):
        return False
    return True


def _change_many(values: object, field: object, parts: Sequence[Message], dice: random.Random) -> bool:
    held: list[object] = list(values)  # type: ignore[call-overload]
    how = dice.randrange(4)
    if how == 0 and held:
        del values[dice.randrange(len(held))]  # type: ignore[attr-defined]
    elif field.message_type is not None:  # type: ignore[attr-defined]
        values.add().CopyFrom(_alike(field.message_type, parts, dice))  # type: ignore[attr-defined]
    elif how == 1 and held:
        values.append(dice.choice(held))  # type: ignore[attr-defined]
    elif held:
        place = dice.randrange(len(held))
        values[place] = _scalar(field, held[place], parts, dice)  # type: ignore[index]
    else:
        return False
    return True


def _alike(kind: object, parts: Sequence[Message], dice: random.Random) -> Message:
    """Return a copy of a part of the file of that kind, or an empty one; a part must not be copied into itself."""
    copy: Message = kind._concrete_class()  # type: ignore[attr-defined]
    alike = [part for part in parts if part.DESCRIPTOR is kind]
    if alike:
        copy.ParseFromString(dice.choice(alike).SerializeToString())
    return copy


def _scalar(field: object, value: object, parts: Sequence[Message], dice: random.Random) -> object:
    """Return another value of a field: an odd number, a name from elsewhere in the file, an odd word."""
    if isinstance(value, float):
        return dice.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
    if isinstance(value, int):
        return dice.choice((*NUMBERS, value + 1, value - 1, dice.randrange(24)))
    if isinstance(value, bytes):
        return _changed_bytes(value, [value], dice)
    names = [
        name for part in parts for name in (getattr(part, "name", ""), *getattr(part, "input", ())) if name
    ]
    operators = (
        "Shape",
        "Expand",
        "Reshape",
        "NonZero",
        "ScatterND",
        "Gather",
        "GridSample",
        "Loop",
        "If",
        "MatMul",
    )
    return dice.choice((*names, *operators, *WORDS)) if isinstance(value, str) else value
