"""A program that makes tables: slots, instructions, outputs. docs/reference/relink.md describes file and operators."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

KIND, VERSION = b"SPZRELNK", 1
DTYPES = tuple(np.dtype(code) for code in ("?", "<i4", "<i8", "<f4", "<f8"))
"""Types of slots, by number."""

MOST_AXES = 6
INPUTS = ("image_from_lidar", "intrinsic", "camera_from_lidar", "ego_from_lidar")
"""What the first slots hold: (N, 4, 4) each, the last (4, 4); float64, row-major."""


class Op(IntEnum):
    """Instructions; the operands of each are in docs/reference/relink.md."""

    BINARY = 1
    UNARY = 2
    WHERE = 3
    COPY = 4
    MATMUL = 5
    REDUCE = 6
    TAKE = 7
    ROWS = 8
    BACK = 9
    INVERSE = 10
    COUNT = 11
    CUT = 12
    LIST = 13


MASKED = frozenset({Op.ROWS, Op.BACK})
"""Operators that read a mask of pairs, which stays until the program has run."""

POOLED = frozenset({Op.COUNT, Op.CUT})
"""Operators that read the cells of points, which stay until the program has run."""


class Binary(IntEnum):
    """Functions of two numbers of one type; the last six give bool."""

    ADD = 0
    SUB = 1
    MUL = 2
    DIV = 3
    MIN = 4
    MAX = 5
    MOD = 6
    GREATER = 7
    LESS = 8
    GREATER_EQUAL = 9
    LESS_EQUAL = 10
    EQUAL = 11
    AND = 12
    OR = 13


class Unary(IntEnum):
    """Functions of one number; CAST changes the type."""

    CAST = 0
    NOT = 1
    NEG = 2
    ABS = 3
    SQRT = 4
    RECIPROCAL = 5
    FLOOR = 6


class Reduce(IntEnum):
    """Reductions along one axis, from its first element to its last."""

    SUM = 0
    MAX = 1
    MIN = 2


class Home(IntEnum):
    """Where a slot lies."""

    ARENA = 0
    CONSTANT = 1


@dataclass(frozen=True, slots=True)
class Slot:
    """An array of fixed type and shape.

    Attributes:
        dtype: Number of its type.
        shape: Its shape, at most `MOST_AXES` sizes.
        home: Whether it is constant.
        at: Offset in bytes in the arena or in the constants, a multiple of 8.
    """

    dtype: int
    shape: tuple[int, ...]
    home: Home
    at: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return self.size * DTYPES[self.dtype].itemsize


@dataclass(frozen=True, slots=True)
class Instruction:
    """An operator and its operands: slots and numbers, each an int32."""

    op: Op
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Program:
    """What makes tables.

    Attributes:
        cameras: Number of cameras, N.
        slots: Its arrays; the first four are `INPUTS`.
        instructions: In order.
        outputs: Slot of every table by the name of the engine's input, sorted by name.
        constants: Content of constant slots.
        arena: Bytes of memory that running takes.
    """

    cameras: int
    slots: tuple[Slot, ...]
    instructions: tuple[Instruction, ...]
    outputs: dict[str, int]
    constants: bytes
    arena: int

    def constant(self, slot: Slot) -> Array:
        """Return the content of a constant slot."""
        return np.frombuffer(self.constants, DTYPES[slot.dtype], slot.size, slot.at).reshape(slot.shape)

    def to_bytes(self) -> bytes:
        """Return the content of `tables.bin`, without the checksum that `sealed` adds."""
        slots = b"".join(
            struct.pack(
                f"<2I{MOST_AXES}I2IQ",
                slot.dtype,
                len(slot.shape),
                *slot.shape,
                *(0,) * (MOST_AXES - len(slot.shape)),
                slot.home,
                0,
                slot.at,
            )
            for slot in self.slots
        )
        code = b"".join(
            struct.pack(f"<2i{len(each.words)}i", each.op, len(each.words), *each.words)
            for each in self.instructions
        )
        names = b"".join(
            struct.pack("<2I", slot, len(name.encode())) + _padded(name.encode())
            for name, slot in sorted(self.outputs.items())
        )
        parts = [slots, _padded(code), names, _padded(self.constants)]
        head = KIND + struct.pack("<2I2Q", VERSION, self.cameras, 0, 0)
        counts = struct.pack("<4I", len(self.slots), len(self.instructions), len(self.outputs), 0)
        sizes = struct.pack("<4Q", len(parts[1]), len(parts[2]), len(parts[3]), self.arena)
        return head + counts + sizes + b"".join(parts)


def parse_program(data: bytes) -> Program:
    """Return what `Program.to_bytes` wrote; the checksum was compared before.

    Raises:
        ValueError, struct.error: The bytes are not that.
    """
    head, cameras, count, code_count, output_count = _header(data)
    code_size, names_size, constants_size, arena = struct.unpack_from("<4Q", data, 48)
    at = 80
    slots = []
    for _ in range(count):
        dtype, rank, *dims, home, zero, place = struct.unpack_from(f"<2I{MOST_AXES}I2IQ", data, at)
        if rank > MOST_AXES or dtype >= len(DTYPES) or home > 1 or zero:
            raise ValueError("a slot that cannot be")
        slots.append(Slot(dtype, tuple(dims[:rank]), Home(home), place))
        at += 48
    if head != KIND or at + code_size + names_size + constants_size != len(data):
        raise ValueError("parts that do not fill the file")
    instructions = tuple(_code(data[at : at + code_size], code_count))
    at += code_size
    outputs = dict(_names(data[at : at + names_size], output_count))
    at += names_size
    return Program(
        cameras=cameras,
        slots=tuple(slots),
        instructions=instructions,
        outputs=outputs,
        constants=data[at:],
        arena=arena,
    )


def _header(data: bytes) -> tuple[bytes, int, int, int, int]:
    if len(data) < 80:
        raise ValueError("too few bytes")
    (cameras,) = struct.unpack_from("<I", data, 12)
    slots, instructions, outputs, _ = struct.unpack_from("<4I", data, 32)
    return data[:8], cameras, slots, instructions, outputs


def _code(data: bytes, count: int) -> Iterator[Instruction]:
    at = 0
    for _ in range(count):
        op, words = struct.unpack_from("<2i", data, at)
        yield Instruction(Op(op), struct.unpack_from(f"<{words}i", data, at + 8))
        at += 8 + 4 * words


def _names(data: bytes, count: int) -> Iterator[tuple[str, int]]:
    at = 0
    for _ in range(count):
        slot, size = struct.unpack_from("<2I", data, at)
        yield data[at + 8 : at + 8 + size].decode(), slot
        at += 8 + size + -size % 8


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)
