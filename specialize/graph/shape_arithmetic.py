"""Shape arithmetic in numpy: integers and booleans are not rounded, so numpy computes what a runtime does.

Exports compute shapes and indices by thousands of tiny nodes. Starting a session of ONNX Runtime for each
that is needed at once takes milliseconds; these functions take microseconds and give the same integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.ops import MOVES

Array = npt.NDArray[np.generic]
Attributes = Mapping[str, ir.Attr]
Function = Callable[[Sequence[Array], Attributes], Array]

EXACT = frozenset({ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL})
STANDARD = ("", "ai.onnx")
_TYPES = frozenset(kind.value for kind in ir.DataType)
CONTRADICTIONS = (ValueError, IndexError, KeyError, TypeError, ArithmeticError, MemoryError)
"""What `compute` raises if a node contradicts its inputs, or lacks an attribute."""

FIXED = {"NonZero": ir.DataType.INT64} | dict.fromkeys(
    ("And", "Equal", "Greater", "Less", "Not", "Or"), ir.DataType.BOOL
)
"""Operators whose results have one type."""

PLACES_OUTSIDE = Declined("places-outside", "an index is outside of the axis that it addresses")


def places_in(indices: Array, size: int) -> npt.NDArray[np.int64] | None:
    """Return indices of an axis counted from its start; None if one lies outside, which no runtime computes."""
    places = indices.astype(np.int64)
    places = np.where(places < 0, places + size, places)
    return None if ((places < 0) | (places >= size)).any() else places


def flat_places(indices: Array, shape: Sequence[int]) -> npt.NDArray[np.int64] | None:
    """Return the number, over the first axes of a shape, of each place that a row of indices names; None as above."""
    depth = indices.shape[-1]
    flat = np.zeros(indices.size // depth, np.int64)
    for column, size in zip(indices.reshape(-1, depth).T, shape, strict=False):
        places = places_in(column, size)
        if places is None:
            return None
        flat = flat * size + places
    return flat


def can_compute(node: ir.Node) -> bool:
    """Return whether a node is shape arithmetic; `NonZero` is, whatever it reads."""
    if node.domain not in STANDARD or node.op_type not in FUNCTIONS or len(node.outputs) != 1:
        return False
    if any(value is None for value in node.inputs) or node.outputs[0].dtype is None:
        return False
    first = node.inputs[0] if node.inputs else None
    if node.op_type == "NonZero" and (first is None or first.shape is None or len(first.shape) == 0):
        return False
    if node.op_type == "Constant":
        return "value" in node.attributes
    values = [*node.inputs, node.outputs[0]]
    return node.op_type in _EXACT_ALWAYS or all(
        value is not None and value.dtype in EXACT for value in values
    )


def result_type(node: ir.Node) -> ir.DataType | None:
    """Return the type of what a node of `FUNCTIONS` gives, whatever its annotation says; None if an input has none."""
    if node.op_type == "Cast":
        number = node.attributes["to"].as_int() if "to" in node.attributes else None
        return ir.DataType(number) if number in _TYPES else None
    if node.op_type in ("Constant", "ConstantOfShape"):
        given = node.attributes.get("value")
        return ir.DataType.FLOAT if given is None else ir.DataType(given.value.dtype)
    if node.op_type in FIXED:
        return FIXED[node.op_type]
    sources = node.inputs[1:] if node.op_type == "Where" else node.inputs
    return None if not sources or sources[0] is None else sources[0].dtype


def is_few(node: ir.Node, arrays: Sequence[Array], most: int) -> bool:
    """Return whether a node that takes few numbers gives at most so many."""
    if node.op_type in ("Expand", "ConstantOfShape"):
        return math.prod(int(size) for size in arrays[-1].ravel()) <= most
    if node.op_type == "Range":
        start, end, step = (float(array.item()) for array in arrays)
        return step != 0 and (end - start) / step <= most
    return node.op_type != "Constant" or node.attributes["value"].value.size <= most


def compute(node: ir.Node, arrays: Sequence[Array]) -> Array:
    """Return what a node gives for known inputs; only for nodes that `can_compute` accepts."""
    assert node.outputs[0].dtype is not None
    found = FUNCTIONS[node.op_type](arrays, node.attributes)
    return np.asarray(found, dtype=node.outputs[0].dtype.numpy(), order="C")


def _number(attributes: Attributes, name: str, default: int) -> int:
    return attributes[name].as_int() if name in attributes else default


def _axes(arrays: Sequence[Array], attributes: Attributes) -> list[int]:
    if "axes" in attributes:
        return list(attributes["axes"].as_ints())
    return [int(axis) for axis in arrays[1]] if len(arrays) > 1 else []


def _unsqueeze(arrays: Sequence[Array], attributes: Attributes) -> Array:
    axes = _axes(arrays, attributes)
    rank = arrays[0].ndim + len(axes)
    return np.expand_dims(arrays[0], tuple(axis % rank for axis in axes))


def _squeeze(arrays: Sequence[Array], attributes: Attributes) -> Array:
    axes = _axes(arrays, attributes)
    return np.squeeze(arrays[0], tuple(axes) if axes else None)


def _reshape(arrays: Sequence[Array], attributes: Attributes) -> Array:
    shape = [int(size) for size in arrays[1]]
    if not _number(attributes, "allowzero", 0):
        shape = [size or arrays[0].shape[place] for place, size in enumerate(shape)]
    return arrays[0].reshape(shape)


def _slice(arrays: Sequence[Array], attributes: Attributes) -> Array:
    data, starts, ends = arrays[:3]
    axes = arrays[3] if len(arrays) > 3 else np.arange(len(starts))
    steps = arrays[4] if len(arrays) > 4 else np.ones(len(starts), dtype=np.int64)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = sliced(data.shape[int(axis)], int(start), int(end), int(step))
        data = data.take(places, axis=int(axis))
    return data


def sliced(size: int, start: int, end: int, step: int) -> npt.NDArray[np.int64]:
    """Return the places of an axis that a Slice keeps: ONNX clamps bounds where Python does not."""
    start, end = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return np.arange(min(max(start, 0), size), min(max(end, 0), size), step)
    return np.arange(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)


def _gather(arrays: Sequence[Array], attributes: Attributes) -> Array:
    axis, index = _number(attributes, "axis", 0), arrays[1].astype(np.int64)
    return arrays[0].take(np.where(index < 0, index + arrays[0].shape[axis], index), axis=axis)


def _filled(arrays: Sequence[Array], attributes: Attributes) -> Array:
    value = attributes["value"].value.numpy().ravel()[0] if "value" in attributes else 0
    return np.full([int(size) for size in arrays[0]], value)


def _expand(arrays: Sequence[Array], attributes: Attributes) -> Array:
    shape = np.broadcast_shapes(arrays[0].shape, tuple(int(size) for size in arrays[1]))
    return np.broadcast_to(arrays[0], shape)


def _transpose(arrays: Sequence[Array], attributes: Attributes) -> Array:
    return arrays[0].transpose(list(attributes["perm"].as_ints()) if "perm" in attributes else None)


def _quotient(arrays: Sequence[Array], attributes: Attributes) -> Array:
    left, right = arrays
    if not right.all():
        raise ValueError("division by zero")
    whole = np.abs(left) // np.abs(right)
    return np.asarray(whole * np.sign(left) * np.sign(right))  # ONNX rounds towards zero, numpy down


def _constant(arrays: Sequence[Array], attributes: Attributes) -> Array:
    return np.asarray(
        attributes["value"].value.numpy()
    )  # not `as_tensor`, whose check takes longer than the rest


def _reduced(function: Callable[..., Array]) -> Function:
    def reduce(arrays: Sequence[Array], attributes: Attributes) -> Array:
        axes = _axes(arrays, attributes)
        keep = bool(_number(attributes, "keepdims", 1))
        return function(arrays[0], axis=tuple(axes) if axes else None, keepdims=keep)

    return reduce


def _of(function: Callable[..., Array]) -> Function:
    return lambda arrays, attributes: function(*arrays)


FUNCTIONS: dict[str, Function] = {
    "Add": _of(np.add), "Sub": _of(np.subtract), "Mul": _of(np.multiply), "Div": _quotient, "Equal": _of(np.equal),
    "Less": _of(np.less), "Greater": _of(np.greater), "Not": _of(np.logical_not), "And": _of(np.logical_and),
    "Or": _of(np.logical_or), "Where": _of(np.where), "Identity": _of(np.asarray), "Cast": _of(np.asarray),
    "Range": _of(lambda start, end, step: np.arange(start.item(), end.item(), step.item())), "Constant": _constant,
    "ReduceMax": _reduced(np.max), "ReduceMin": _reduced(np.min), "ReduceProd": _reduced(np.prod),
    "NonZero": lambda arrays, attributes: np.array(np.nonzero(arrays[0])),
    "Concat": lambda arrays, attributes: np.concatenate(arrays, axis=attributes["axis"].as_int()),
    "Gather": _gather, "Slice": _slice, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Reshape": _reshape,
    "Expand": _expand, "Transpose": _transpose, "ConstantOfShape": _filled,
}  # fmt: skip
_EXACT_ALWAYS = MOVES & FUNCTIONS.keys() | {"Constant", "ConstantOfShape", "NonZero"}
