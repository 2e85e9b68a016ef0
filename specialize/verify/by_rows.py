"""Run a part of a graph for some of its rows at a time, so that a site of many queries takes little memory.

    head: what is the same for all rows, and what is computed from constants and the calibration alone -- once
    rows: what computes each row of the result from the same row of what the head gives               -- in turn

A part is cut in this way by the rules of `row_axes`, from its result backward. What no rule covers belongs to the head.
The results are those of the whole part: where a recording is made, they are compared with those of the whole model.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from specialize.graph.infer_file import infer_file
from specialize.graph.messages import bare, static_types
from specialize.verify.row_axes import Axes, Facts, input_axes
from specialize.verify.segments import reads_of

Arrays = Mapping[str, np.ndarray]

AT_ONCE = 32 << 20
"""Bytes of all values of the rows that are computed at a time, about."""
FEW_NUMBERS = 1 << 10
"""Bytes up to which a constant may be a shape."""
SIZED = ("Reshape", "Expand")
"""Operators that are given the shape of their result."""
ROWS = "/rows"
"""Last part of the name of an input that has some rows of a value."""

Wanted = tuple[str, int | None]
"""A value, and the axis of its rows; None for all of it."""


@dataclass(frozen=True, slots=True, eq=False)
class ByRows:
    """A part in two.

    Attributes:
        head: Computes what `rows` reads, unless it is fed or constant; None if there is nothing to compute.
        rows: Computes the result for some rows.
        feeds: What each input of `rows` is given, by the input's name.
        constants: Constants whose rows are given.
        axis: Axis of the result along which its rows are.
        step: How many rows are computed at a time; divides their number.
        count: The number of rows.
    """

    head: onnx.ModelProto | None
    rows: onnx.ModelProto
    feeds: Mapping[str, Wanted]
    constants: Arrays
    axis: int
    step: int
    count: int

    def pieces(self, values: Arrays) -> Iterator[dict[str, np.ndarray]]:
        """Yield what `rows` is fed, piece by piece, from values of the head and those that the part is fed."""
        for start in range(0, self.count, self.step):
            yield {
                name: _piece(values[value], axis, start, self.step)
                for name, (value, axis) in self.feeds.items()
            }


def _piece(array: np.ndarray, axis: int | None, start: int, step: int) -> np.ndarray:
    if axis is None:
        return array
    return np.ascontiguousarray(array[(slice(None),) * axis + (slice(start, start + step),)])


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part with what is known of it.

    Attributes:
        graph: Its graph.
        facts: Shapes and small constants; what cannot be inferred is left out.
        types: Element type of every value whose shape is known.
        constants: Constants by name.
    """

    graph: onnx.GraphProto
    facts: Facts
    types: Mapping[str, int]
    constants: Mapping[str, onnx.TensorProto]


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """What is found from the result of a part backward.

    Attributes:
        nodes: Nodes that run on rows: the axis of these in their outputs, and in each of their inputs.
        feeds: What they read that is not computed there.
    """

    nodes: dict[int, tuple[int, Axes]] = field(default_factory=dict)
    feeds: dict[Wanted, None] = field(default_factory=dict)


def by_rows(
    model: onnx.ModelProto, fixed: Collection[str], folder: Path, most: int = AT_ONCE
) -> ByRows | None:
    """Return a part with one result cut in two; None if it is small, or if nothing is gained.

    Args:
        model: The part; its inputs have shapes.
        fixed: Inputs that are calibration: what follows from these and from constants alone is computed once.
        folder: Folder of its weights.
        most: Bytes of values at a time.
    """
    part = _known(model)
    result = part.graph.output[0].name
    shape = part.facts.shapes.get(result, ())
    if len(part.graph.output) != 1 or not shape:
        return None
    axis = int(np.argmax(shape))
    cut = _cut(part, result, axis, fixed)
    size = sum(_bytes(part, name) for number in cut.nodes for name in part.graph.node[number].output)
    step = _step(shape[axis], size, most)
    if not cut.nodes or step == shape[axis]:
        return None
    wanted = {
        _called(each): each for each in cut.feeds if each[1] is not None or each[0] not in part.constants
    }
    fed = {value.name for value in part.graph.input}
    given = {value for value, _ in wanted.values()}
    return ByRows(
        head=_head(model, part, sorted(given - fed - part.constants.keys())),
        rows=_rows(model, part, cut, wanted, (shape[axis], step)),
        feeds=wanted,
        constants={
            name: numpy_helper.to_array(part.constants[name], base_dir=str(folder))
            for name in sorted(given & part.constants.keys())
        },
        axis=axis,
        step=step,
        count=shape[axis],
    )


def _known(model: onnx.ModelProto) -> _Part:
    inferred = infer_file(model)  # where nothing is known, a part is not cut
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    shapes = {name: tuple(tensor.dims) for name, tensor in constants.items()}
    types = {name: tensor.data_type for name, tensor in constants.items()}
    found = static_types((*inferred.input, *inferred.value_info, *inferred.output))
    shapes |= {name: shape for name, (_, shape) in found.items()}
    types |= {name: kind for name, (kind, _) in found.items()}
    numbers = {
        name: numpy_helper.to_array(tensor)
        for name, tensor in constants.items()
        if tensor.data_location != onnx.TensorProto.EXTERNAL and tensor.ByteSize() <= FEW_NUMBERS
    }
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    return _Part(model.graph, Facts(shapes, numbers, opset), types, constants)


def _cut(part: _Part, result: str, axis: int, fixed: Collection[str]) -> _Cut:
    """Return what runs on rows: nodes whose results are wanted along one axis alone, and that a rule covers."""
    cut, alone = _Cut(), _alone(part, fixed)
    wanted: dict[str, dict[int | None, None]] = {result: {axis: None}}
    for number in reversed(range(len(part.graph.node))):  # a part is sorted
        node = part.graph.node[number]
        asked = {along for name in node.output for along in wanted.get(name, ())}
        axes = None if alone.issuperset(node.output) else _axes(part, node, asked)
        if axes is None:
            cut.feeds.update(
                dict.fromkeys((name, along) for name in node.output for along in wanted.get(name, ()))
            )
            continue
        cut.nodes[number] = (_only(asked), axes)
        for name, along in zip(node.input, axes, strict=True):
            if name:
                wanted.setdefault(name, {})[along] = None
    made = {name for node in part.graph.node for name in node.output}
    outer = [(name, along) for name, asked in wanted.items() if name not in made for along in asked]
    cut.feeds.update(dict.fromkeys(outer))
    return cut


def _axes(part: _Part, node: onnx.NodeProto, asked: Collection[int | None]) -> Axes | None:
    """Return along which axes a node's inputs have the rows that are wanted of it; None if it is not run on rows."""
    if len(asked) != 1 or None in asked or any(name not in part.types for name in node.output):
        return None
    if node.op_type in SIZED and node.input[1] not in part.facts.numbers:
        return None
    return input_axes(node, _only(asked), part.facts)


def _only(asked: Collection[int | None]) -> int:
    (axis,) = asked
    assert axis is not None
    return axis


def _alone(part: _Part, fixed: Collection[str]) -> set[str]:
    """Return what follows from constants and the calibration alone."""
    known = {*fixed, *part.constants}
    for node in part.graph.node:
        if all(name in known for name in reads_of(node)):
            known.update(node.output)
    return known


def _bytes(part: _Part, name: str) -> int:
    return 4 * math.prod(part.facts.shapes[name])


def _step(count: int, size: int, most: int) -> int:
    """Return the largest divisor of a number of rows whose values are not larger than `most`, or the number itself."""
    if size <= most:
        return count
    fitting = max(1, count * most // size)
    step = next(each for each in range(fitting, 0, -1) if count % each == 0)
    return step if 4 * step >= fitting else count


def _called(wanted: Wanted) -> str:
    name, along = wanted
    return name if along is None else f"{name}{ROWS}{along}"


def _head(model: onnx.ModelProto, part: _Part, names: Sequence[str]) -> onnx.ModelProto | None:
    """Return what computes some values of a part."""
    if not names:
        return None
    nodes, needed = [], set(names)
    for node in reversed(part.graph.node):
        if not needed.isdisjoint(node.output):
            nodes.append(node)
            needed.update(reads_of(node))
    made = bare(model)
    made.graph.node.extend(reversed(nodes))
    made.graph.initializer.extend(part.constants[name] for name in sorted(needed & part.constants.keys()))
    made.graph.input.extend(value for value in part.graph.input if value.name in needed)
    made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return made


def _rows(
    model: onnx.ModelProto, part: _Part, cut: _Cut, wanted: Mapping[str, Wanted], rows: tuple[int, int]
) -> onnx.ModelProto:
    """Return what computes `rows[1]` of `rows[0]` rows of the result."""
    made, read = bare(model), set[str]()
    for number in sorted(cut.nodes):
        axis, axes = cut.nodes[number]
        node = made.graph.node.add()
        node.CopyFrom(part.graph.node[number])
        for at, along in enumerate(axes):
            called = _called((node.input[at], along)) if node.input[at] else ""
            node.input[at] = called if called in wanted else node.input[at]
        if node.op_type in SIZED:
            tensor = _resized(part, node, axis, rows)
            node.input[1] = tensor.name
            made.graph.initializer.append(tensor)
        read.update(reads_of(node))
    kept = sorted(name for name in read & part.constants.keys() if name not in wanted)
    made.graph.initializer.extend(part.constants[name] for name in kept)
    for called, (name, along) in wanted.items():
        shape = list(part.facts.shapes[name])
        if along is not None:
            shape[along] = rows[1]
        made.graph.input.append(onnx.helper.make_tensor_value_info(called, part.types[name], shape))
    made.graph.output.add().name = part.graph.output[0].name
    return made


def _resized(part: _Part, node: onnx.NodeProto, axis: int, rows: tuple[int, int]) -> onnx.TensorProto:
    """Return the shape that a node is given, for fewer rows; that of an Expand may have fewer axes than the result.

    That of a Reshape may copy or infer sizes, which are others with fewer rows: it is the result's.
    """
    shape, numbers = part.facts.shapes[node.output[0]], part.facts.numbers[node.input[1]].copy()
    if node.op_type == "Reshape":
        numbers = np.array(shape, numbers.dtype)
    place = axis - (len(shape) - len(numbers))
    if place >= 0 and numbers[place] == rows[0]:
        numbers[place] = rows[1]
    return numpy_helper.from_array(numbers, f"{node.output[0]}{ROWS}")
