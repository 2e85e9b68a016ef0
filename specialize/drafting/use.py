"""Analyse how a graph uses points: whether it divides them by their depth, and by which image size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.drafting.points import STRIDES, Floats, Typed
from specialize.drafting.trial import Assignment, Trials
from specialize.graph.nodes import array_of
from specialize.graph.ops import MOVES
from specialize.graph.shapes import dims, is_static, numpy_type

_DIVISIONS = ("Div", "Mul")
_COMPARISONS = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")
_PRODUCTS = ("MatMul", "Mul")
_MOST_VALUES = 64
_EXACT = 1e-3
LEAST_SIZE = 8
"""Numbers below this are not the size of an image, px."""
_CARRIED = frozenset(
    {
        *MOVES,
        *("Cast", "Max", "Min", "Clip", "Abs", "Add", "Where", "ReduceSum", "ScatterND", "Mul", "MatMul"),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a graph uses the pixels of projected points.

    Attributes:
        ratios: Divisors of u and v: pairs of axis (0 or 1) and number; 1 if they stay pixels.
        bounds: Numbers that pixels are compared with: pairs of axis and number.
        stride: How many pixels of the image one of these pixels is wide, because the graph scales its matrices.
    """

    ratios: frozenset[tuple[int, float]]
    bounds: frozenset[tuple[int, float]]
    stride: int = 1

    def strides(self) -> set[int]:
        """Return the strides of feature maps in whose pixels the graph has points."""
        if self.stride != 1:
            return {self.stride}
        return {each for each in STRIDES if all((axis, float(each)) in self.ratios for axis in (0, 1))}


def pixels_of(trials: Trials, kinds: Assignment, typed: Typed) -> Pixels:
    """Return how projected points are used after the division by depth."""
    count = typed.value.shape[0] * typed.value.shape[1] // len(trials.transforms.rigs)
    known = [value for value in trials.known if trials.roots[value] <= kinds.keys() and _holds(value, count)]
    divided = [value for value in known if _is_divided(value)]
    among = set(known)
    compared = [(value, bound) for value, bound in _comparisons(trials) if value in among]
    values = list(dict.fromkeys([*divided[:_MOST_VALUES], *(value for value, _ in compared[:_MOST_VALUES])]))
    arrays = trials.compute(kinds, values)
    lines = [np.sort((typed.value[..., axis] / typed.value[..., 2]).ravel()) for axis in (0, 1)]
    ratios: set[tuple[int, float]] = set()
    bounds: set[tuple[int, float]] = set()
    for value in values:
        array = np.stack([each[value] for each in arrays]).astype(np.float64)
        for axis, ratio in _ratios(array, count * len(arrays), lines):
            ratios.add((axis, ratio))
            if ratio == 1.0:
                bounds |= {(axis, bound[axis % len(bound)]) for other, bound in compared if other is value}
    return Pixels(frozenset(ratios), frozenset(bounds), typed.stride)


def _comparisons(trials: Trials) -> list[tuple[ir.Value, tuple[float, ...]]]:
    """Return what a graph compares with one number above 1, or with one per axis of the image."""
    found = []
    for node in trials.closure.nodes:
        if node.op_type in _COMPARISONS:
            for value, other in (node.inputs, reversed(node.inputs)):
                array = array_of(other)
                if value in trials.closure and array is not None and array.size <= 2 and array.max() > 1:
                    found.append((value, tuple(float(number) for number in array.ravel())))
    return [(value, bound) for value, bound in found if value is not None]


def is_projected(matrix: ir.Value) -> bool:
    """Return whether what a graph multiplies by a matrix, data included, is divided by a part of itself."""
    points = {matrix: False}  # whether a value is a product with points already, by value
    inverted: set[ir.Value] = set()
    stack = [matrix]
    while stack:
        value = stack.pop()
        for node in (use.node for use in value.uses()):
            divided = node.op_type == "Div" and all(
                points.get(other, False) for other in node.inputs if other
            )
            if divided or (node.op_type == "Mul" and any(other in inverted for other in node.inputs)):
                return True
            if node.op_type == "Reciprocal" and points[value]:
                inverted.update(node.outputs)
            elif node.op_type in _CARRIED and _is_carried(node, points, points[value]):
                for output in node.outputs:
                    if output not in points:
                        points[output] = points[value] or node.op_type in _PRODUCTS
                        stack.append(output)
    return False


def _is_carried(node: ir.Node, points: Mapping[ir.Value, bool], product: bool) -> bool:
    """Return whether a node only moves, clamps or sums up what was reached, or multiplies the matrix by points."""
    others = [value for value in node.inputs if value is not None and value not in points]
    if node.op_type in _PRODUCTS and not product:
        return len(others) <= 1
    return all(value.const_value is not None for value in others)


def _is_divided(value: ir.Value) -> bool:
    node = value.producer()
    return node is not None and node.op_type in _DIVISIONS


def _holds(value: ir.Value, count: int) -> bool:
    """Return whether a value can hold `count` numbers, or as many points of two to four."""
    if not is_static(value) or value.dtype is None or numpy_type(value).kind != "f":
        return False
    return int(np.prod(dims(value))) in (count, 2 * count, 3 * count, 4 * count)


def _ratios(array: Floats, count: int, lines: Sequence[Floats]) -> Iterator[tuple[int, float]]:
    """Yield by what the pixels of an axis, 0 or 1, were divided to give a part of a value (rigs, ...)."""
    parts: list[tuple[Floats, tuple[int, ...]]] = [(array, (0, 1))] if array.size == count else []
    for axis in range(1, array.ndim) if array.size > count else ():
        if array.shape[axis] * count == array.size:
            parts += [(np.asarray(array.take(index, axis), np.float64), (index,)) for index in (0, 1)]
    for part, axes in parts:
        ordered = np.sort(part.ravel())
        for axis in axes:
            ratio = _ratio(lines[axis], ordered)
            if ratio is not None:
                yield axis, ratio


def _ratio(line: Floats, part: Floats) -> float | None:
    """Return by what sorted pixels were divided to give sorted values; None if they were not."""
    if part.size != line.size or not np.isfinite(part).all():
        return None
    span = float(part[-1] - part[0])
    if span <= 0:
        return None
    ratio = float(line[-1] - line[0]) / span
    if ratio <= 0 or np.abs(part * ratio - line).max() > _EXACT * (line[-1] - line[0]):
        return None
    whole = round(ratio)
    return float(whole) if whole and abs(ratio - whole) <= _EXACT * whole else ratio
