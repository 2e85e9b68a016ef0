"""Run a program in numpy: every operator as docs/reference/relink.md defines it, and as `relink.hpp` computes it.

Sums run from the first element to the last, products are rounded before they are added, and what numpy leaves to the
processor (the sign of a zero, NaN in a maximum) is written out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.binding.relink.places import back_of, counts_of, cut_of, inverse_of, listed_of, rows_of
from specialize.binding.relink.program import DTYPES, Binary, Home, Op, Program, Reduce, Slot, Unary

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Words = tuple[int, ...]

LARGEST_INT = 2.0**62
MOST_ELEMENTS = 2**31 - 1
"""Elements of a slot, as `relink_check.hpp` allows them."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a program reads, float64.

    Attributes:
        image_from_lidar: (N, 4, 4) lidar points in metres to raw pixels times depth.
        intrinsic: (N, 4, 4); zeros where it is not known.
        camera_from_lidar: (N, 4, 4); zeros where it is not known.
        ego_from_lidar: (4, 4); zeros if it is not known.
    """

    image_from_lidar: npt.NDArray[np.float64]
    intrinsic: npt.NDArray[np.float64]
    camera_from_lidar: npt.NDArray[np.float64]
    ego_from_lidar: npt.NDArray[np.float64]


def run(
    program: Program, calibration: Calibration, given: Mapping[int, Array] | None = None
) -> dict[str, Array]:
    """Return the tables of a calibration by name.

    Args:
        program: What makes them.
        calibration: The calibration.
        given: Slots that are taken to be something else than what the program computes.

    Raises:
        DoesNotFitError: The tables have too few places.
        IndexError, KeyError, MemoryError, OverflowError, TypeError, ValueError: No assembler made it.
    """
    machine = Machine(program, calibration, dict(given or {}))
    return {name: machine.read(slot) for name, slot in program.outputs.items()}


class Machine:
    """Slots of a program after it ran.

    Args:
        program: The program.
        calibration: What it reads.
        given: Slots that are taken to be something else than what the program computes.

    Attributes:
        computed: What the program computed for the slots that were given.

    Raises:
        DoesNotFitError: The tables have too few places.
    """

    def __init__(self, program: Program, calibration: Calibration, given: Mapping[int, Array]) -> None:
        self._program, self._arena, self._given = program, np.zeros(program.arena, np.uint8), given
        self.computed: dict[int, Array] = {}
        for number in range(4):
            values = (
                calibration.image_from_lidar,
                calibration.intrinsic,
                calibration.camera_from_lidar,
                calibration.ego_from_lidar,
            )[number]
            self.view(number)[...] = values
        with np.errstate(all="ignore"):
            for instruction in program.instructions:
                _RUN[instruction.op](self, instruction.words)
                target = instruction.words[1 if instruction.op in _FUNCTIONS else 0]
                if target in self._given:
                    self.computed[target] = self.read(target)
                    self.view(target)[...] = self._given[target]

    def slot(self, number: int) -> Slot:
        """Return what is said about a slot."""
        return self._program.slots[number]

    def view(self, number: int) -> Array:
        """Return a slot's memory as an array of its shape."""
        slot = self.slot(number)
        if slot.home is Home.CONSTANT:
            return self._program.constant(slot)
        raw = self._arena[slot.at : slot.at + slot.nbytes]
        return raw.view(DTYPES[slot.dtype]).reshape(slot.shape)

    def flat(self, number: int) -> Array:
        """Return a slot's memory as one row."""
        return self.view(number).reshape(-1)

    def read(self, number: int) -> Array:
        """Return a copy of a slot's content."""
        return self.view(number).copy()


def _strided(flat: Array, offset: int, shape: Words, strides: Words) -> Array:
    """Return a view of a row of elements; strides and offset count elements.

    Raises:
        ValueError: It reaches beyond the row, or repeats more than any table holds.
    """
    ends = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    low, high = (offset + sum(pick(end, 0) for end in ends) for pick in (min, max))
    if min(shape, default=1) < 1 or not 0 <= low <= high < len(flat) or math.prod(shape) > MOST_ELEMENTS:
        raise ValueError("an instruction that reads beyond its slot")
    item = flat.dtype.itemsize
    return np.lib.stride_tricks.as_strided(
        flat[offset:], tuple(shape), tuple(stride * item for stride in strides)
    )


def _binary(machine: Machine, words: Words) -> None:
    function, target, a, b, rank, *rest = words
    shape, along_a, along_b = (tuple(rest[part * rank : (part + 1) * rank]) for part in range(3))
    x = _strided(machine.flat(a), 0, shape, along_a)
    y = _strided(machine.flat(b), 0, shape, along_b)
    machine.flat(target)[...] = np.asarray(_BINARY[function](x, y)).reshape(-1)


def _integers(x: Array) -> bool:
    return x.dtype.kind in "iu"


_BINARY: dict[int, Callable[[Array, Array], Array]] = {
    Binary.ADD: lambda x, y: x + y,
    Binary.SUB: lambda x, y: x - y,
    Binary.MUL: lambda x, y: x * y,
    Binary.DIV: lambda x, y: x // np.where(y == 0, 1, y) if _integers(x) else x / y,
    Binary.MIN: lambda x, y: np.where(x < y, x, y),
    Binary.MAX: lambda x, y: np.where(x > y, x, y),
    Binary.MOD: lambda x, y: x % np.where(y == 0, 1, y),
    Binary.GREATER: lambda x, y: x > y,
    Binary.LESS: lambda x, y: x < y,
    Binary.GREATER_EQUAL: lambda x, y: x >= y,
    Binary.LESS_EQUAL: lambda x, y: x <= y,
    Binary.EQUAL: lambda x, y: x == y,
    Binary.AND: lambda x, y: np.logical_and(x, y),
    Binary.OR: lambda x, y: np.logical_or(x, y),
}


def _unary(machine: Machine, words: Words) -> None:
    function, target, a = words
    x, dtype = machine.flat(a), DTYPES[machine.slot(target).dtype]
    machine.flat(target)[...] = _UNARY[function](x, dtype)


def _cast(x: Array, dtype: np.dtype[np.generic]) -> Array:
    """Change a type: towards zero, and 0 for what no integer is."""
    if dtype.kind == "b":
        return np.asarray(x != 0)
    if dtype.kind == "i" and x.dtype.kind == "f":
        x = np.where(np.abs(x) < LARGEST_INT, x, 0).astype(np.int64)
    return x.astype(dtype)


_UNARY: dict[int, Callable[[Array, np.dtype[np.generic]], Array]] = {
    Unary.CAST: _cast,
    Unary.NOT: lambda x, dtype: np.logical_not(x),
    Unary.NEG: lambda x, dtype: -x,
    Unary.ABS: lambda x, dtype: np.abs(x),
    Unary.SQRT: lambda x, dtype: np.sqrt(x),
    Unary.RECIPROCAL: lambda x, dtype: dtype.type(1) / x,
    Unary.FLOOR: lambda x, dtype: np.floor(x),
}


def _where(machine: Machine, words: Words) -> None:
    target, condition, a, b, rank, *rest = words
    shape, *strides = (tuple(rest[part * rank : (part + 1) * rank]) for part in range(4))
    c, x, y = (
        _strided(machine.flat(slot), 0, shape, each)
        for slot, each in zip((condition, a, b), strides, strict=True)
    )
    machine.flat(target)[...] = np.where(c, x, y).reshape(-1)


def _copy(machine: Machine, words: Words) -> None:
    target, source, source_at, target_at, rank, *rest = words
    shape, source_strides, target_strides = (
        tuple(rest[part * rank : (part + 1) * rank]) for part in range(3)
    )
    target_view = _strided(machine.flat(target), target_at, shape, target_strides)
    target_view[...] = _strided(machine.flat(source), source_at, shape, source_strides)


def _matmul(machine: Machine, words: Words) -> None:
    target, a, b, batch, m, k, n, a_step, b_step = words
    x = _strided(machine.flat(a), 0, (batch, m, k), (a_step, k, 1))
    y = _strided(machine.flat(b), 0, (batch, k, n), (b_step, n, 1))
    total = x[..., :, :1] * y[..., :1, :]
    for index in range(1, k):
        total = total + x[..., :, index : index + 1] * y[..., index : index + 1, :]
    machine.flat(target)[...] = total.reshape(-1)


def _reduce(machine: Machine, words: Words) -> None:
    function, target, a, outer, count, inner = words
    x = machine.flat(a).reshape(outer, count, inner)
    total = x[:, 0]
    for index in range(1, count):
        if function == Reduce.SUM:
            total = total + x[:, index]
        else:
            larger = x[:, index] > total if function == Reduce.MAX else x[:, index] < total
            total = np.where(larger, x[:, index], total)
    machine.flat(target)[...] = total.reshape(-1)


def _take(machine: Machine, words: Words) -> None:
    target, source, index, outer, axis, inner = words
    x = machine.flat(source).reshape(outer, axis, inner)
    machine.flat(target)[...] = x[:, machine.flat(index)].reshape(-1)


def _rows(machine: Machine, words: Words) -> None:
    target, mask, lengths, cameras, queries = words
    seen = machine.flat(mask).reshape(cameras, queries) != 0
    machine.flat(target)[...] = rows_of(seen, machine.flat(lengths).astype(np.int64))


def _back(machine: Machine, words: Words) -> None:
    target, mask, lengths, cameras, queries, fan_in, spare = words
    seen = machine.flat(mask).reshape(cameras, queries) != 0
    kept = machine.flat(lengths).astype(np.int64)
    machine.flat(target)[...] = back_of(seen, kept, fan_in, spare).reshape(-1)


def _inverse(machine: Machine, words: Words) -> None:
    target, a, batch = words
    x = machine.flat(a).reshape(batch, 4, 4).astype(np.float64)
    machine.flat(target)[...] = np.stack([inverse_of(each) for each in x]).reshape(-1)


def _count(machine: Machine, words: Words) -> None:
    target, a, most = words
    into = machine.flat(target)
    into[...] = counts_of(machine.flat(a), len(into), most)


def _cut(machine: Machine, words: Words) -> None:
    target, a, scratch, size = words
    into = machine.flat(target)
    into[...] = cut_of(machine.flat(a), machine.slot(scratch).size, len(into), size)


def _list(machine: Machine, words: Words) -> None:
    target, a, cells, width, spare = words
    machine.flat(target)[...] = listed_of(machine.flat(a), cells, width, spare).reshape(-1)


_RUN: dict[Op, Callable[[Machine, Words], None]] = {
    Op.BINARY: _binary,
    Op.UNARY: _unary,
    Op.WHERE: _where,
    Op.COPY: _copy,
    Op.MATMUL: _matmul,
    Op.REDUCE: _reduce,
    Op.TAKE: _take,
    Op.ROWS: _rows,
    Op.BACK: _back,
    Op.INVERSE: _inverse,
    Op.COUNT: _count,
    Op.CUT: _cut,
    Op.LIST: _list,
}
_FUNCTIONS = frozenset({Op.BINARY, Op.UNARY, Op.REDUCE})
"""Operators whose first operand is a function, and the second the target."""
