"""Makes programs: arrays by number, one method per operator, no memory assigned yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from specialize.relink.program import DTYPES, MOST_AXES, Binary, Instruction, Op, Reduce, Unary

Array = npt.NDArray[np.generic]
Shape = tuple[int, ...]

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
        base: The slot whose memory it is; itself, or one that it is another shape of.
    """

    number: int
    dtype: int
    shape: Shape
    base: int


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

    def new(self, dtype: int, shape: Sequence[int]) -> Draft:
        """Return a new array."""
        if len(shape) > MOST_AXES:
            raise NotPortableError(f"an array of {len(shape)} axes, more than {MOST_AXES}")
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
        if len(shape) > MOST_AXES:
            raise NotPortableError(f"an array of {len(shape)} axes, more than {MOST_AXES}")
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
        dims, strides = _merged(shape, [_along(a.shape, shape), _along(b.shape, shape)])
        words = (int(function), target.number, a.number, b.number, len(dims), *dims, *strides[0], *strides[1])
        self._emit(Op.BINARY, words)
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
        dims, strides = _merged(shape, [_along(each.shape, shape) for each in (condition, a, b)])
        numbers = (target.number, condition.number, a.number, b.number)
        self._emit(Op.WHERE, (*numbers, len(dims), *dims, *(step for each in strides for step in each)))
        return target

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
        dims, (source, goal) = _merged(shape, [tuple(strides), own])
        words = (into.number, a.number, offset, at, len(dims), *dims, *source, *goal)
        self._emit(Op.COPY, words)
        return into

    def transpose(self, a: Draft, order: Sequence[int]) -> Draft:
        """Return an array with its axes in another order."""
        steps = contiguous(a.shape)
        return self.copy(a, [a.shape[axis] for axis in order], [steps[axis] for axis in order])

    def expand(self, a: Draft, shape: Sequence[int]) -> Draft:
        """Return an array repeated along axes of size 1."""
        whole = np.broadcast_shapes(a.shape, tuple(shape))
        return a if whole == a.shape else self.copy(a, whole, _along(a.shape, whole))

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

    def inverse(self, a: Draft) -> Draft:
        """Return inverses of matrices (..., 4, 4) of float64."""
        if a.shape[-2:] != (4, 4) or a.dtype != FLOAT64:
            raise NotPortableError("an inverse of other matrices than 4x4 of float64")
        target = self.new(FLOAT64, a.shape)
        self._emit(Op.INVERSE, (target.number, a.number, size_of(a) // 16))
        return target

    def _emit(self, op: Op, words: Sequence[int]) -> None:
        self.instructions.append(Instruction(op, tuple(int(word) for word in words)))


def size_of(a: Draft) -> int:
    """Return the number of elements."""
    return int(np.prod(a.shape, dtype=np.int64))


def contiguous(shape: Sequence[int]) -> Shape:
    """Return the strides of an array without gaps, in elements."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= int(size)
    return tuple(reversed(steps))


def _along(shape: Shape, whole: Shape) -> Shape:
    """Return the strides with which an array is read as one of a broadcast shape."""
    steps = (0,) * (len(whole) - len(shape)) + contiguous(shape)
    sizes = (1,) * (len(whole) - len(shape)) + shape
    return tuple(0 if size == 1 else step for size, step in zip(sizes, steps, strict=True))


def _merged(shape: Shape, strides: Sequence[Shape]) -> tuple[Shape, list[Shape]]:
    """Return a shape and strides over it with as few axes as say the same."""
    axes: list[tuple[int, ...]] = []
    for size, *steps in zip(shape, *strides, strict=True):
        if size == 1 and len(shape) > 1:
            continue
        if axes and all(outer == step * size for outer, step in zip(axes[-1][1:], steps, strict=True)):
            axes[-1] = (axes[-1][0] * size, *steps)
        else:
            axes.append((size, *steps))
    if not axes:
        axes = [(1, *(0,) * len(strides))]
    return tuple(axis[0] for axis in axes), [
        tuple(axis[1 + number] for axis in axes) for number in range(len(strides))
    ]
