"""Define `golden.bin`: two frames and the engine's expected outputs. docs/reference/vehicle-files.md has the format."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.binding.relink.checksum import sealed
from specialize.vehicle.binary import PREFIX, VERSION, FileRefusedError, require_file
from specialize.vehicle.words import MOST_TENSORS, REFERENCES, Reason

KIND = b"SPZGOLDN"
TYPES = (
    "bool", "int32", "int64", "float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "uint32", "uint64",
)  # fmt: skip
"""Numpy types by their number in the file."""

MOST_AXES, MOST_NAME, BLOCK = 8, 4096, 64

HEADER = np.dtype(
    [
        *PREFIX,
        ("build", "V32"),
        ("profile", "V32"),
        ("counts", "<u4", 2),
        ("seeds", "<u8", 2),
        ("zero", "<u8"),
    ]
)
RECORD = np.dtype(
    [
        ("name_at", "<u8"),
        ("name_bytes", "<u4"),
        ("type", "<u4"),
        ("rank", "<u4"),
        ("nonfinite", "<u4"),
        ("shape", "<u4", MOST_AXES),
        ("bytes", "<u8"),
        ("data", "<u8", 2),
        ("allowed", "<u8", 2),
        ("may_differ", "<u8"),
        ("rtol", "<f8"),
        ("atol", "<f8"),
        ("zero", "<u8"),
    ]
)

Array = npt.NDArray[np.generic]
Bounds = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Given:
    """One input of the engine: its name, and its values in both frames."""

    name: str
    frames: tuple[Array, Array]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Expected:
    """One output of the engine.

    Attributes:
        name: Its name.
        frames: Its values in both frames.
        allowed: How far each element may be from them, of the same shapes; integers and booleans must be equal.
        may_differ: Elements that may be further off: indices and labels whose scores tie.
        nonfinite: Whether NaN and infinity are meant; then they are at the same places.
        rtol: Relative part of the tolerance that `allowed` was made from.
        atol: Absolute part.
    """

    name: str
    frames: tuple[Array, Array]
    allowed: tuple[Bounds, Bounds]
    may_differ: int = 0
    nonfinite: bool = False
    rtol: float = 0.0
    atol: float = 0.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Golden:
    """Two frames of a build.

    Attributes:
        build: Digest of the build key, 32 bytes.
        profile: Digest of the profile that the frames were computed for, 32 bytes.
        reference: Who computed what is expected, of `REFERENCES`.
        seeds: Of the two frames.
        inputs: What the engine is fed.
        outputs: What it must give.
    """

    build: bytes
    profile: bytes
    reference: str
    seeds: tuple[int, int]
    inputs: tuple[Given, ...]
    outputs: tuple[Expected, ...]

    def to_bytes(self) -> bytes:
        """Return the content of `golden.bin`."""
        tensors: tuple[Given | Expected, ...] = (*self.inputs, *self.outputs)
        names = [each.name.encode() + b"\0" for each in tensors]
        records = np.zeros(len(tensors), RECORD)
        name_at = HEADER.itemsize + records.nbytes
        blocks = _Blocks(name_at + sum(map(len, names)))
        for record, each, name in zip(records, tensors, names, strict=True):
            first = each.frames[0]
            record["name_at"], record["name_bytes"] = name_at, len(name) - 1
            record["type"], record["rank"] = TYPES.index(first.dtype.name), first.ndim
            record["shape"][: first.ndim], record["bytes"] = first.shape, first.nbytes
            record["data"] = [blocks.put(array) for array in each.frames]
            if isinstance(each, Expected):
                record["allowed"] = [blocks.put(array) for array in each.allowed]
                for key in ("may_differ", "nonfinite", "rtol", "atol"):
                    record[key] = getattr(each, key)
            name_at += len(name)
        header = np.zeros((), HEADER)
        header["kind"], header["version"], header["own"] = KIND, VERSION, REFERENCES.index(self.reference)
        header["build"], header["profile"] = np.void(self.build), np.void(self.profile)
        header["counts"], header["seeds"] = (len(self.inputs), len(self.outputs)), self.seeds
        return sealed(b"".join([header.tobytes(), records.tobytes(), *names, *blocks.parts]))


class _Blocks:
    """Blocks of data at multiples of 64; what is the same in both frames is there once."""

    def __init__(self, start: int) -> None:
        self._at = start + -start % BLOCK
        self.parts = [bytes(-start % BLOCK)]
        self._known: dict[bytes, int] = {}

    def put(self, array: Array) -> int:
        """Return where an array lies in the file."""
        raw = np.ascontiguousarray(array).tobytes()
        at = self._known.setdefault(raw, self._at)
        if at == self._at:
            self.parts += [raw, bytes(-len(raw) % BLOCK)]
            self._at += len(raw) + -len(raw) % BLOCK
        return at


def parse_golden(data: bytes) -> Golden:
    """Return what `Golden.to_bytes` wrote; the arrays are views of the bytes.

    Raises:
        FileRefusedError: The bytes are not that.
    """
    require_file(data, KIND, HEADER.itemsize)
    header = np.frombuffer(data, HEADER, 1)[0]
    inputs, outputs = (int(count) for count in header["counts"])
    counts = 0 < inputs <= MOST_TENSORS and 0 < outputs <= MOST_TENSORS
    if not counts or header["own"] >= len(REFERENCES) or header["zero"]:
        raise FileRefusedError(Reason.MALFORMED)
    if len(data) < HEADER.itemsize + (inputs + outputs) * RECORD.itemsize:
        raise FileRefusedError(Reason.MALFORMED)
    records = np.frombuffer(data, RECORD, inputs + outputs, HEADER.itemsize)
    return Golden(
        build=bytes(header["build"]),
        profile=bytes(header["profile"]),
        reference=REFERENCES[int(header["own"])],
        seeds=(int(header["seeds"][0]), int(header["seeds"][1])),
        inputs=tuple(_given(data, record) for record in records[:inputs]),
        outputs=tuple(_expected(data, record) for record in records[inputs:]),
    )


def _given(data: bytes, record: np.void) -> Given:
    if record["nonfinite"] or record["may_differ"] or record["allowed"].any():
        raise FileRefusedError(Reason.MALFORMED)
    name, shape, dtype = _described(data, record)
    first, second = (_block(data, int(at), shape, dtype) for at in record["data"])
    return Given(name=name, frames=(first, second))


def _expected(data: bytes, record: np.void) -> Expected:
    name, shape, dtype = _described(data, record)
    first, second = (_block(data, int(at), shape, dtype) for at in record["data"])
    near, far = (_block(data, int(at), shape, np.dtype("<f4")) for at in record["allowed"])
    return Expected(
        name=name,
        frames=(first, second),
        allowed=(near.view(np.float32), far.view(np.float32)),
        may_differ=int(record["may_differ"]),
        nonfinite=bool(record["nonfinite"]),
        rtol=float(record["rtol"]),
        atol=float(record["atol"]),
    )


def _described(data: bytes, record: np.void) -> tuple[str, tuple[int, ...], np.dtype[np.generic]]:
    """Return name, shape and type of a tensor."""
    at, length, rank = (int(record[key]) for key in ("name_at", "name_bytes", "rank"))
    name = data[at : at + length + 1]
    named = 0 < length <= MOST_NAME and at >= HEADER.itemsize and len(name) == length + 1
    known = (
        record["type"] < len(TYPES) and rank <= MOST_AXES and record["nonfinite"] <= 1 and not record["zero"]
    )
    if not (named and known) or name.find(b"\0") != length or record["shape"][rank:].any():
        raise FileRefusedError(Reason.MALFORMED)
    shape = tuple(int(size) for size in record["shape"][:rank])
    dtype = np.dtype(TYPES[int(record["type"])]).newbyteorder("<")
    if record["bytes"] != math.prod(shape) * dtype.itemsize:
        raise FileRefusedError(Reason.MALFORMED)
    return name[:-1].decode(errors="replace"), shape, dtype


def _block(data: bytes, at: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    size = math.prod(shape)
    if at % BLOCK or not HEADER.itemsize <= at <= len(data) - size * dtype.itemsize:
        raise FileRefusedError(Reason.MALFORMED)
    return np.frombuffer(data, dtype, size, at).reshape(shape) if size else np.zeros(shape, dtype)
