"""Makes programs: arrays by number, one method per operator, no memory assigned yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from specialize.binding.relink.program import DTYPES, MOST_AXES, Binary, Instruction, Op, Reduce, Unary
from specialize.binding.relink.strides import Shape, along, contiguous, merged, moving

Array = npt.NDArray[np.generic]

BOOL, INT64, FLOAT64 = (DTYPES.index(np.dtype(code)) for code in ("?", "<i8", "<f8"))
COMPARISONS = frozenset({Binary.GREATER, Binary.LESS, Binary.GREATER_EQUAL, Binary.LESS_EQUAL, Binary.EQUAL})


class NotPortableError(Exception):
    """Something has no instruction; `str` says what."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An array of a program in the making.

    Attributes:
        number: Its slot.
        dtype: Number of its type.
        shape: Its shape.
        base: The slot whose memory it is; itself, or one that it is another shape or a part of.
        offset: Its first byte there.
    """

    number: int
    dtype: int
    shape: Shape
    base: int
    offset: int = 0


@dataclass(slots=True)
class Assembler:
    """A program in the making.

    Attributes:
        drafts: Its arrays by slot.
        constants: Content of those that are constant, by slot.
        instructions: Its instructions.
    """

    drafts: list[Draft] = field(default_factory=list)
    constants: dict[int, Array] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    _pool: dict[tuple[str, Shape, bytes], Draft] = field(default_factory=dict)
    _copied: dict[int, tuple[Draft, Shape]] = field(default_factory=dict)

    def new(self, dtype: int, shape: Sequence[int]) -> Draft:
        """Return a new array."""
        draft = Draft(len(self.drafts), dtype, tuple(int(size) for size in shape), len(self.drafts))
        self.drafts.append(draft)
        return draft

    def constant(self, array: Array) -> Draft:
        """Return a constant array; equal ones are one."""
        if array.dtype.newbyteorder("<") not in DTYPES:
            raise NotPortableError(f"numbers of type {array.dtype.name}")
        little = np.ascontiguousarray(array).reshape(array.shape)
        key = (little.dtype.str, little.shape, little.tobytes())
        if key not in self._pool:
            draft = self.new(DTYPES.index(little.dtype.newbyteorder("<")), little.shape)
            self.constants[draft.number] = little
            self._pool[key] = draft
        return self._pool[key]

    def ints(self, values: Sequence[int]) -> Draft:
        """Return a constant row of int64."""
        return self.constant(np.array(values, np.int64))

    def reshape(self, a: Draft, shape: Sequence[int]) -> Draft:
        """Return the same memory in another shape."""
        if int(np.prod(shape, dtype=np.int64)) != size_of(a):
            raise NotPortableError(f"{list(a.shape)} reshaped to {list(shape)}")
        if a.number in self.constants:
            return self.constant(self.constants[a.number].reshape(tuple(shape)))
        draft = Draft(len(self.drafts), a.dtype, tuple(int(size) for size in shape), a.base)
        self.drafts.append(draft)
        return draft

    def binary(self, function: Binary, a: Draft, b: Draft) -> Draft:
        """Return a function of two arrays of one type that broadcast."""
        if a.dtype != b.dtype:
            raise NotPortableError(f"{function.name} of two types")
        logic, real = function in (Binary.AND, Binary.OR), DTYPES[a.dtype].kind == "f"
        if (a.dtype == BOOL) != logic and not (a.dtype == BOOL and function is Binary.EQUAL):
            raise NotPortableError(f"{function.name} of {DTYPES[a.dtype]}")
        if function is Binary.MOD and real:
            raise NotPortableError(f"{function.name} of {DTYPES[a.dtype]}")
        shape = np.broadcast_shapes(a.shape, b.shape)
        target = self.new(BOOL if function in COMPARISONS else a.dtype, shape)
        self._emit(Op.BINARY, (int(function), target.number, *self._read(shape, a, b)))
        return target

    def unary(self, function: Unary, a: Draft, dtype: int | None = None) -> Draft:
        """Return a function of an array."""
        kind = DTYPES[a.dtype].kind
        if function is not Unary.CAST and (kind == "i" or (function is Unary.NOT) != (kind == "b")):
            raise NotPortableError(f"{function.name} of {DTYPES[a.dtype]}")
        target = self.new(a.dtype if dtype is None else dtype, a.shape)
        self._emit(Op.UNARY, (int(function), target.number, a.number))
        return target

    def cast(self, a: Draft, dtype: int) -> Draft:
        """Return an array in another type."""
        return a if a.dtype == dtype else self.unary(Unary.CAST, a, dtype)

    def where(self, condition: Draft, a: Draft, b: Draft) -> Draft:
        """Return a where a condition holds, else b."""
        if a.dtype != b.dtype or condition.dtype != BOOL:
            raise NotPortableError("WHERE of two types")
        shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
        target = self.new(a.dtype, shape)
        self._emit(Op.WHERE, (target.number, *self._read(shape, condition, a, b)))
        return target

    def _read(self, shape: Shape, *arrays: Draft) -> tuple[int, ...]:
        """Return the last operands of BINARY and WHERE; what was copied is read where it is from."""
        slots, steps = [], []
        for a in arrays:
            source, strides = self._copied.get(a.number, (a, contiguous(a.shape)))
            slots.append(source.number)
            steps.append(along(a.shape, shape, strides))
        dims, rows = _few(*merged(shape, steps))
        return (*slots, len(dims), *dims, *(step for row in rows for step in row))

    def copy(
        self, a: Draft, shape: Sequence[int], strides: Sequence[int], offset: int = 0, target: Draft | None = None,
        at: int = 0, target_strides: Sequence[int] | None = None,
    ) -> Draft:  # fmt: skip
        """Return elements of an array in another order; into a part of another array, if one is given."""
        shape = tuple(int(size) for size in shape)
        into = self.new(a.dtype, shape) if target is None else target
        if 0 in shape:
            raise NotPortableError("an array without elements")
        own = contiguous(shape) if target_strides is None else tuple(target_strides)
        _few(*merged(shape, [tuple(strides), own]))
        self._emit(Op.COPY, (into.number, a.number, offset, at, *moving(shape, tuple(strides), own)))
        start = offset * DTYPES[a.dtype].itemsize
        together = min(strides, default=0) >= 0 and (not strides or shape[-1] == 1 or strides[-1] <= 1)
        if target is None and a.number not in self.constants and together and start % 8 == 0:
            part = a
            if start:
                part = Draft(len(self.drafts), a.dtype, (size_of(a) - offset,), a.base, start)
                self.drafts.append(part)
            self._copied[into.number] = (part, tuple(strides))
        return into

    def transpose(self, a: Draft, order: Sequence[int]) -> Draft:
        """Return an array with its axes in another order."""
        steps = contiguous(a.shape)
        return self.copy(a, [a.shape[axis] for axis in order], [steps[axis] for axis in order])

    def expand(self, a: Draft, shape: Sequence[int]) -> Draft:
        """Return an array repeated along axes of size 1."""
        whole = np.broadcast_shapes(a.shape, tuple(shape))
        return a if whole == a.shape else self.copy(a, whole, along(a.shape, whole))

    def concat(self, parts: Sequence[Draft], axis: int) -> Draft:
        """Return arrays joined along an axis."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        target, at = self.new(parts[0].dtype, shape), 0
        steps = contiguous(shape)
        for part in parts:
            self.copy(part, part.shape, contiguous(part.shape), target=target, at=at, target_strides=steps)
            at += part.shape[axis] * steps[axis]
        return target

    def matmul(self, a: Draft, b: Draft) -> Draft:
        """Return matrix products; leading axes broadcast."""
        if a.dtype != b.dtype or min(len(a.shape), len(b.shape)) < 2:
            raise NotPortableError("a matrix product with a vector, or of two types")
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        batch = int(np.prod(lead, dtype=np.int64))
        left, right = (self._batched(each, lead) for each in (a, b))
        m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
        target = self.new(a.dtype, (*lead, m, n))
        steps = tuple(0 if size_of(each) == rows * columns else rows * columns
                      for each, rows, columns in ((left, m, k), (right, k, n)))  # fmt: skip
        self._emit(Op.MATMUL, (target.number, left.number, right.number, batch, m, k, n, *steps))
        return target

    def _batched(self, a: Draft, lead: Shape) -> Draft:
        """Return an array with all leading axes, or with none."""
        if a.shape[:-2] == lead or size_of(a) == a.shape[-2] * a.shape[-1]:
            return a
        return self.expand(a, (*lead, *a.shape[-2:]))

    def reduce(self, function: Reduce, a: Draft, axis: int) -> Draft:
        """Return an array reduced along one axis, which stays with size 1."""
        if function is Reduce.SUM and a.dtype == BOOL:
            raise NotPortableError("a sum of bool")
        if a.shape[axis] == 1:
            return a
        outer = int(np.prod(a.shape[:axis], dtype=np.int64))
        inner = int(np.prod(a.shape[axis + 1 :], dtype=np.int64))
        target = self.new(a.dtype, (*a.shape[:axis], 1, *a.shape[axis + 1 :]))
        words = (int(function), target.number, a.number, outer, a.shape[axis], inner)
        self._emit(Op.REDUCE, words)
        return target

    def take(self, a: Draft, index: Draft, axis: int = 0) -> Draft:
        """Return slices of an array along an axis, chosen by a row of int64."""
        outer = int(np.prod(a.shape[:axis], dtype=np.int64))
        inner = int(np.prod(a.shape[axis + 1 :], dtype=np.int64))
        target = self.new(a.dtype, (*a.shape[:axis], size_of(index), *a.shape[axis + 1 :]))
        words = (target.number, a.number, index.number, outer, a.shape[axis], inner)
        self._emit(Op.TAKE, words)
        return target

    def rows(self, mask: Draft, lengths: Sequence[int]) -> Draft:
        """Return the pair `n * Q + q` at every place, for a mask (N, Q)."""
        cameras, queries = mask.shape
        target = self.new(INT64, (sum(lengths),))
        words = (target.number, mask.number, self.ints(lengths).number, cameras, queries)
        self._emit(Op.ROWS, words)
        return target

    def back(self, mask: Draft, lengths: Sequence[int], fan_in: int) -> Draft:
        """Return (Q, fan_in), the places of each query's rows, for a mask (N, Q)."""
        cameras, queries = mask.shape
        target = self.new(INT64, (queries, fan_in))
        words = (
            target.number, mask.number, self.ints(lengths).number, cameras, queries, fan_in, sum(lengths),
        )  # fmt: skip
        self._emit(Op.BACK, words)
        return target

    def count(self, a: Draft, cells: int, most: int) -> Draft:
        """Return (cells,), how many elements of a row of int64 are 0, 1, ...; at most `most` of each."""
        target = self.new(INT64, (cells,))
        self._emit(Op.COUNT, (target.number, a.number, most))
        return target

    def cut(self, a: Draft, cells: int, blocks: int, size: int) -> Draft:
        """Return (blocks, size), the places of a row's elements by their value, one value per block; -1 elsewhere."""
        target, scratch = self.new(INT64, (blocks, size)), self.new(INT64, (cells,))
        self._emit(Op.CUT, (target.number, a.number, scratch.number, size))
        return target

    def listed(self, a: Draft, cells: int, width: int, spare: int) -> Draft:
        """Return (cells, width), the places of the elements of a row that are 0, 1, ..., then `spare`."""
        target = self.new(INT64, (cells, width))
        self._emit(Op.LIST, (target.number, a.number, cells, width, spare))
        return target

    def inverse(self, a: Draft) -> Draft:
        """Return inverses of matrices (..., 4, 4) of float64."""
        if a.shape[-2:] != (4, 4) or a.dtype != FLOAT64:
            raise NotPortableError("an inverse of other matrices than 4x4 of float64")
        target = self.new(FLOAT64, a.shape)
        self._emit(Op.INVERSE, (target.number, a.number, size_of(a) // 16))
        return target

    def _emit(self, op: Op, words: Sequence[int]) -> None:
        self.instructions.append(Instruction(op, tuple(int(word) for word in words)))


def _few(dims: Shape, strides: list[Shape]) -> tuple[Shape, list[Shape]]:
    """Return axes that an instruction has room for.

    Raises:
        NotPortableError: They are more.
    """
    if len(dims) > MOST_AXES:
        raise NotPortableError(f"elements in an order of {len(dims)} axes, more than {MOST_AXES}")
    return dims, strides


def size_of(a: Draft) -> int:
    """Return the number of elements."""
    return int(np.prod(a.shape, dtype=np.int64))
