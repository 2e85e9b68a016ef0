"""Types and shapes of values, one node at a time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol, cast

import numpy as np
import onnx
import onnx_ir as ir
from onnx import shape_inference

from specialize.errors import InputError
from specialize.graph import custom
from specialize.graph.ops import VIEWS
from specialize.graph.remembered import Remembered
from specialize.graph.subgraphs import has_subgraph, node_reads

MOST_DATA = 64
"""Elements up to which a known input is shown to shape inference: shapes, axes, starts, pads."""

STANDARD = ("", "ai.onnx")

Arrays = Mapping[str, np.ndarray]

_KINDS = ir.AttributeType
_SHORT = frozenset({_KINDS.FLOAT, _KINDS.INT, _KINDS.STRING, _KINDS.FLOATS, _KINDS.INTS, _KINDS.STRINGS})
"""Attributes that are numbers or names."""

_NUMBERS = frozenset({int})

_ANSWERS: Remembered[Mapping[str, onnx.TypeProto]] = Remembered(1 << 13)
"""What ONNX inferred, by all that it follows from: layers of a model repeat, and so do the models of a fleet."""

_CONTRADICTIONS = (onnx.shape_inference.InferenceError, onnx.checker.ValidationError)


class ShapeError(InputError):
    """A node contradicts the shapes of its inputs."""


class Known(Protocol):
    """What shape inference asks of the knowledge about a graph."""

    def __contains__(self, value: ir.Value | None) -> bool: ...
    def get(self, value: ir.Value) -> np.ndarray: ...
    def is_computed(self, value: ir.Value) -> bool: ...


class ShapeInference:
    """ONNX shape inference applied node by node, with the known inputs shown to it."""

    def __init__(self, known: Known, opset_imports: dict[str, int], ir_version: int) -> None:
        self._known = known
        self._opsets = opset_imports
        self._imports = [
            onnx.helper.make_opsetid(domain, version) for domain, version in opset_imports.items()
        ]
        self._ir_version = ir_version
        self._schemas: dict[str, onnx.defs.OpSchema] = {}
        self._versions = (tuple(sorted(opset_imports.items())), ir_version)

    def infer(self, node: ir.Node) -> None:
        """Set type and shape of the outputs of a node; leave what is annotated where nothing can be inferred.

        Raises:
            InputError: The operator is unknown, or the node contradicts its inputs.
        """
        if custom.is_custom(node):
            _apply_custom(node)
            return
        if (node.domain, node.op_type) == ("com.microsoft", "Inverse") and node.inputs[0] is not None:
            node.outputs[0].type, node.outputs[0].shape = node.inputs[0].type, node.inputs[0].shape
            return
        schema = self._schema(node)
        if schema is None or has_subgraph(node) or _reads_untyped(node):
            return
        _check_split(node)
        data = self._input_data(node)
        question = self._question(node, data)
        results = None if question is None else _ANSWERS.get(question)
        if results is None:
            results = self._ask(schema, node, data)
            if question is not None:
                _ANSWERS.keep(question, results)
        for index, value in enumerate(node.outputs):
            proto = results.get(f"o{index}")
            if proto is not None and proto.HasField("tensor_type"):
                _apply(value, proto)
        _check_moved(node)

    def _question(self, node: ir.Node, data: Arrays) -> Hashable:
        """Return all that the types of a node's outputs follow from; None if that has no short form."""
        attributes = []
        for each in node.attributes.values():
            if each.type not in _SHORT or each.is_ref():
                return None
            if isinstance(each.value, Sequence) and len(each.value) > MOST_DATA:
                return None
            attributes.append((each.name, each.type, each.value))
        shown = tuple((name, array.dtype.str, array.shape, array.tobytes()) for name, array in data.items())
        inputs = tuple(map(_type, node.inputs))
        return (self._versions, node.op_type, len(node.outputs), tuple(attributes), inputs, shown)

    def _ask(self, schema: onnx.defs.OpSchema, node: ir.Node, data: Arrays) -> Mapping[str, onnx.TypeProto]:
        """Return the types of the outputs of a node, by `o` and their number, as ONNX infers them.

        Raises:
            InputError: The node contradicts its inputs.
        """
        try:
            results = shape_inference.infer_node_outputs(
                schema,
                self._rename(node),
                self._input_types(node),
                {name: onnx.numpy_helper.from_array(array) for name, array in data.items()},
                opset_imports=self._imports,
                ir_version=self._ir_version,
            )
            shaped = all(proto.tensor_type.HasField("shape") for proto in results.values())
            if schema.function_body.node and not (results and shaped):
                results = self._infer_function(node)
        except (*_CONTRADICTIONS, ValueError, TypeError, RuntimeError) as error:
            shapes = " and ".join(self._input_text(value) for value in node.inputs if value is not None)
            found = f"{shapes or 'none'} ({str(error).strip()})"
            raise ShapeError(
                f"node {node.name or node.op_type!r}", f"inputs that fit {node.op_type}", found
            ) from error
        return dict(results)

    def _infer_function(self, node: ir.Node) -> dict[str, onnx.TypeProto]:
        """Return the types of the outputs of an operator that the standard defines by other operators alone."""
        proto, types = self._rename(node), self._input_types(node)
        inputs = [onnx.ValueInfoProto(name=name, type=kind) for name, kind in types.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in proto.output]
        graph = onnx.helper.make_graph([proto], "node", inputs, outputs)
        model = onnx.helper.make_model(graph, opset_imports=self._imports, ir_version=self._ir_version)
        return {value.name: value.type for value in shape_inference.infer_shapes(model).graph.output}

    def _schema(self, node: ir.Node) -> onnx.defs.OpSchema | None:
        if node.domain not in STANDARD:
            return None
        if node.op_type in self._schemas:
            return self._schemas[node.op_type]
        try:
            self._schemas[node.op_type] = onnx.defs.get_schema(node.op_type, self._opsets.get("", 17), "")
        except onnx.defs.SchemaError as error:
            place = f"node {node.name!r}"
            hint = "a custom operator needs a domain of its own"
            raise InputError(
                place, f"an operator of opset {self._opsets.get('', 17)}", node.op_type, hint
            ) from error
        return self._schemas[node.op_type]

    def _rename(self, node: ir.Node) -> onnx.NodeProto:
        proto = onnx.NodeProto(op_type=node.op_type, domain="")
        proto.input.extend(
            f"i{index}" if value is not None else "" for index, value in enumerate(node.inputs)
        )
        proto.output.extend(f"o{index}" for index in range(len(node.outputs)))
        proto.attribute.extend(ir.serde.serialize_attribute(attr) for attr in node.attributes.values())
        return proto

    def _input_types(self, node: ir.Node) -> dict[str, onnx.TypeProto]:
        found = {}
        for index, value in enumerate(node.inputs):
            if value is not None and value.dtype is not None:
                found[f"i{index}"] = type_proto(value)
        return found

    def _input_text(self, value: ir.Value) -> str:
        """Return the shape of a value, and what it holds if it is a shape itself."""
        text = str(value.shape) if value.shape is not None else "[unknown]"
        integers = value.dtype in (ir.DataType.INT64, ir.DataType.INT32)
        if not (integers and _may_be_shape(value) and value in self._known):
            return text
        if not self._known.is_computed(value):
            return text
        return f"{text} holding {self._known.get(value).tolist()}"

    def _input_data(self, node: ir.Node) -> Arrays:
        """Return the known inputs that are small enough to be shapes, by `i` and their number."""
        found = {}
        waits = all(value in self._known for value in node_reads(node))  # it will be computed, or need not be
        for index, value in enumerate(node.inputs):
            if value is None or not _may_be_shape(value) or value not in self._known:
                continue
            if waits and not self._known.is_computed(value):
                continue
            found[f"i{index}"] = self._known.get(value)
        return found


def _type(value: ir.Value | None) -> Hashable:
    """Return element type and dimensions of a value, None for unknown ones."""
    if value is None or value.shape is None:
        return None if value is None else value.dtype
    return value.dtype, tuple(dim if isinstance(dim, int) else None for dim in value.shape)


def _check_split(node: ir.Node) -> None:
    """Refuse a Split that counts fewer outputs than it has: ONNX's shape inference reads past the sizes it makes.

    Raises:
        InputError: The counts differ.
    """
    count = node.attributes.get("num_outputs") if node.op_type == "Split" else None
    if count is not None and count.type == _KINDS.INT and count.as_int() != len(node.outputs):
        place = f"node {node.name or node.op_type!r}: num_outputs"
        raise InputError(place, f"{len(node.outputs)}, as many as it has outputs", str(count.as_int()))


def _check_moved(node: ir.Node) -> None:
    """Refuse a view or a Transpose that loses elements, which shape inference does not see.

    Raises:
        InputError: A shape was written down while tracing with another calibration, or a file is damaged.
    """
    if node.op_type not in VIEWS | {"Transpose"} or node.inputs[0] is None:
        return
    source, result = node.inputs[0], node.outputs[0]
    if not is_static(source) or not is_static(result):
        return
    place = f"node {node.name or node.op_type!r}"
    if math.prod(dims(source)) != math.prod(dims(result)):
        expected = f"a shape of {math.prod(dims(source))} elements, as {list(dims(source))} has"
        raise ShapeError(place, expected, str(list(dims(result))))
    if node.op_type == "Transpose" and len(dims(source)) != len(dims(result)):
        expected = f"a permutation of the {len(dims(source))} axes of {list(dims(source))}"
        raise ShapeError(f"{place}: perm", expected, f"one of {len(dims(result))} axes")


def _may_be_shape(value: ir.Value) -> bool:
    if value.dtype not in (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.FLOAT) or not is_static(value):
        return False
    return len(dims(value)) <= 1 and (not dims(value) or dims(value)[0] <= MOST_DATA)


def _reads_untyped(node: ir.Node) -> bool:
    """Return whether a node reads a result of an operator that is unknown here."""
    return any(value is not None and value.dtype is None for value in node.inputs)


def _apply_custom(node: ir.Node) -> None:
    shape, first = custom.result_shape(node), node.inputs[0]
    if shape is not None and first is not None and first.dtype is not None:
        node.outputs[0].type, node.outputs[0].shape = ir.TensorType(first.dtype), ir.Shape(shape)


def _apply(value: ir.Value, proto: onnx.TypeProto) -> None:
    value.type = ir.TensorType(ir.DataType(proto.tensor_type.elem_type))
    if not proto.tensor_type.HasField("shape"):
        return
    inferred = [dim.dim_value if dim.HasField("dim_value") else None for dim in proto.tensor_type.shape.dim]
    value.shape = ir.Shape(inferred)


def type_proto(value: ir.Value) -> onnx.TypeProto:
    """Return the ONNX type of a value; unknown dimensions stay unknown."""
    assert value.dtype is not None
    shape = None if value.shape is None else [dim if isinstance(dim, int) else None for dim in value.shape]
    return onnx.helper.make_tensor_type_proto(value.dtype.value, shape)


def is_static(value: ir.Value) -> bool:
    """Return whether every dimension of a value is a number."""
    return value.shape is not None and _NUMBERS.issuperset(map(type, value.shape.dims))


def dims(value: ir.Value) -> tuple[int, ...]:
    """Return the dimensions of a value whose shape is static."""
    assert value.shape is not None, value.name
    return cast("tuple[int, ...]", value.shape.dims)


def numpy_type(value: ir.Value) -> np.dtype[np.generic]:
    """Return the element type of a value whose type is known."""
    assert value.dtype is not None, value.name
    return value.dtype.numpy()


def byte_size(value: ir.Value) -> int:
    """Return the size in bytes of a value whose shape is static."""
    assert value.dtype is not None
    width = 1 if value.dtype == ir.DataType.STRING else value.dtype.bitwidth // 8
    return math.prod(dims(value)) * max(1, width)


def set_like(value: ir.Value, array: np.ndarray) -> None:
    """Give a value the type and shape of an array."""
    value.type = ir.TensorType(ir.DataType.from_numpy(array.dtype))
    value.shape = ir.Shape(array.shape)
