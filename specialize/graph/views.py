"""View: which element of one tensor stands where in another, as long as operators only move elements.

A chain of Reshape, Transpose, Slice, Split, Squeeze, Gather with constant index and Expand is a strided view of its
source, with several strides per axis where a Reshape merged axes. Two chains that give the same view are the same,
whatever operators an exporter chose to write them with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from specialize.graph.axes import regroup, size_of
from specialize.graph.nodes import array_of, cuts_of, node_axis
from specialize.graph.ops import VIEWS, of, permutation
from specialize.graph.shape_arithmetic import places_in, sliced
from specialize.graph.shapes import STANDARD, dims, is_static


class Factor(NamedTuple):
    """A part of an axis of a view.

    Attributes:
        size: Number of indices, at least 2.
        stride: Elements of the source from one index to the next; 0 repeats.
    """

    size: int
    stride: int


Axis = tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Elements of a source, by place.

    Attributes:
        offset: Element of the source at place 0.
        axes: Factors of every axis, outermost first, adjacent ones merged where they can be.
    """

    offset: int
    axes: tuple[Axis, ...]

    @staticmethod
    def natural(shape: Sequence[int]) -> View:
        """Return the view that leaves a tensor of that shape as it is."""
        axes = []
        for place, size in enumerate(shape):
            axes.append((Factor(size, math.prod(shape[place + 1 :])),) if size > 1 else ())
        return View(0, tuple(axes))

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of every axis."""
        return tuple(map(size_of, self.axes))

    def is_natural(self) -> bool:
        """Return whether every element stands where it stood, whatever the shape."""
        return self.reshape([math.prod(self.shape)]) == View.natural([math.prod(self.shape)])

    def reshape(self, sizes: Sequence[int]) -> View | None:
        """Return the view with other axes; None if a cut falls inside a factor."""
        axes = regroup(_merged(factor for axis in self.axes for factor in axis), sizes, _split)
        return None if axes is None else View(self.offset, tuple(map(_merged, axes)))

    def transpose(self, perm: Sequence[int]) -> View:
        """Return the view with its axes in another order."""
        return View(self.offset, tuple(self.axes[place] for place in perm))

    def expand(self, shape: Sequence[int]) -> View | None:
        """Return the view broadcast to a shape; None if it does not broadcast."""
        missing = len(shape) - len(self.axes)
        if missing < 0:
            return None
        axes: list[Axis] = []
        for axis, have, size in zip(
            (((),) * missing + self.axes), (1,) * missing + self.shape, shape, strict=True
        ):
            if have not in (1, size):
                return None
            axes.append(axis if have == size else (Factor(size, 0),))
        return View(self.offset, tuple(axes))

    def cut(self, axis: int, start: int, length: int, step: int = 1) -> View | None:
        """Return the view with a part of one axis; None if the part does not follow the axis's factors."""
        inner: Axis = ()
        block = 1
        for place in range(len(self.axes[axis]) - 1, -1, -1):
            size, stride = self.axes[axis][place]
            outer, first = divmod(start // block, size)
            count = length // block
            fits = start % block == 0 and length % block == 0 and first + (count - 1) * step < size
            if fits and (step == 1 or block == 1 or length == 1):
                kept = (Factor(count, stride * step), *inner) if count > 1 else inner
                moved = first * stride + _element(self.axes[axis][:place], outer)
                axes = (*self.axes[:axis], _merged(kept), *self.axes[axis + 1 :])
                return View(self.offset + moved, axes)
            inner = (Factor(size, stride), *inner)
            block *= size
        return self if (start, length) == (0, 1) and not inner else None


def _split(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """Return a factor cut in two, the outer one of the given size."""
    inner = factor.size // outer
    return Factor(outer, factor.stride * inner), Factor(inner, factor.stride)


def _element(axis: Axis, index: int) -> int:
    """Return the element of the source at one index of an axis, counted from index 0."""
    element = 0
    for size, stride in reversed(axis):
        index, digit = divmod(index, size)
        element += digit * stride
    return element


def _merged(factors: Iterable[Factor]) -> Axis:
    """Return factors with those joined that together count through elements evenly."""
    found: list[Factor] = []
    for size, stride in factors:
        if found and found[-1].stride == size * stride:
            found[-1] = Factor(found[-1].size * size, stride)
        else:
            found.append(Factor(size, stride))
    return tuple(found)


def moved(value: ir.Value, view: View) -> View | None:
    """Return the view that the output of a node is, given the view that its first input is."""
    node = value.producer()
    if node is None or node.domain not in STANDARD or not is_static(value):
        return None
    shape = dims(value)
    if node.op_type in VIEWS:
        return view.reshape(shape)
    if node.op_type == "Transpose":
        perm = permutation(node, len(shape))
        return view.transpose(perm)
    if node.op_type == "Expand":
        return view.expand(shape)
    if node.op_type == "Slice":
        return _slice(node, view)
    if node.op_type == "Split":
        axis = node_axis(node, 0, len(shape))
        start = sum(dims(other)[axis] for other in node.outputs[: list(node.outputs).index(value)])
        return view.cut(axis, start, shape[axis])
    if node.op_type == "Gather":
        return _gather(node, view, shape)
    return None


MOVES = of("view", "turn", "cut") | {"Expand", "Gather"}


def climb(value: ir.Value) -> list[ir.Value]:
    """Return a value and what it is a view of, one operator after the other, up to what is computed."""
    path = [value]
    while True:
        node = path[-1].producer()
        if node is None or node.op_type not in MOVES or node.domain not in STANDARD or node.inputs[0] is None:
            return path
        if not is_static(node.inputs[0]):
            return path
        path.append(node.inputs[0])


def descend(path: Sequence[ir.Value], view: View) -> View | None:
    """Return the view that the first value of a path is, given the view that the last one is."""
    found: View | None = view
    for value in reversed(path[:-1]):
        if found is None:
            return None
        found = moved(value, found)
    return found


def _slice(node: ir.Node, view: View) -> View | None:
    cuts = cuts_of(node)
    if cuts is None:
        return None
    found: View | None = view
    for axis, start, end, step in cuts:
        if found is None:
            return None
        place = axis % len(view.axes)
        found = _pick(found, place, sliced(view.shape[place], start, end, step))
    return found


def _gather(node: ir.Node, view: View, shape: tuple[int, ...]) -> View | None:
    index = array_of(node.inputs[1])
    if index is None or index.ndim > 1:
        return None
    axis = node_axis(node, 0, len(view.axes))
    places = places_in(index.reshape(-1), view.shape[axis])
    found = None if places is None else _pick(view, axis, places)
    return None if found is None else found.reshape(shape)


def _pick(view: View, axis: int, places: np.ndarray) -> View | None:
    if len(places) == 0:
        return None
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step < 1 or (len(places) > 1 and (np.diff(places) != step).any()):
        return None
    return view.cut(axis, int(places[0]), len(places), step)
