"""What must hold of a file before anything is computed from it: each fault is an error that names the place."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx
import onnx_ir as ir

from specialize.errors import InputError
from specialize.graph import budget
from specialize.graph.check_weights import AGAIN, require_weights

OLDEST_OPSET, NEWEST_OPSET = 11, 26
OLDEST_IR, NEWEST_IR = 3, onnx.IR_VERSION


def require_whole(proto: onnx.ModelProto, path: Path) -> None:
    """Refuse what is lost or changed silently when a file becomes a graph.

    Raises:
        InputError: An unknown version of the format, a graph without outputs, or a name that stands twice.
    """
    if not OLDEST_IR <= proto.ir_version <= NEWEST_IR:
        hint = "export it with an older onnx, or lower `ir_version` in the file"
        expected = f"version {OLDEST_IR} to {NEWEST_IR} of the format"
        raise InputError(f"{path}: ir_version", expected, str(proto.ir_version), hint)
    graph = proto.graph
    if not graph.output:
        raise InputError(str(path), "a graph with outputs", "none", AGAIN)
    inputs, outputs = ([value.name for value in ends] for ends in (graph.input, graph.output))
    weights = [tensor.name for tensor in graph.initializer]
    for kind, names in (("input", inputs), ("output", outputs), ("initializer", weights)):
        name, count = Counter(names).most_common(1)[0] if names else ("", 1)
        if count > 1 or "" in names:
            found = f"{count} times {name!r}" if count > 1 else "one without a name"
            raise InputError(f"{path}: {kind}", "names, each of them once", found, AGAIN)
    if graph.sparse_initializer:
        hint = "write them as dense initializers"
        raise InputError(f"{path}: sparse_initializer", "none", str(len(graph.sparse_initializer)), hint)


def require_sound(model: ir.Model, path: Path) -> None:
    """Refuse a graph whose weights, ends, names or edges are wrong; sort its nodes.

    Raises:
        InputError: What is wrong, and where.
    """
    opset = model.graph.opset_imports.get("", model.graph.opset_imports.get("ai.onnx", 0))
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        expected = f"opset {OLDEST_OPSET} to {NEWEST_OPSET}"
        raise InputError(
            f"{path}: opset_import", expected, str(opset), "convert it with onnx.version_converter"
        )
    require_weights(model, path)
    for value in model.graph.inputs:
        _check_input(value, path)
    _check_names(model, path)
    _check_reads(model, path)
    _check_calls(model, path)
    try:
        model.graph.sort()
    except ValueError as error:
        raise InputError(str(path), "a graph without cycles", str(error)) from error


def _check_input(value: ir.Value, path: Path) -> None:
    place = f"{path}: input {value.name!r}"
    if type(value.type) is not ir.TensorType or value.type.dtype in (
        ir.DataType.STRING,
        ir.DataType.UNDEFINED,
    ):
        hint = "cut the graph behind this input: only tensors of numbers can be bound or fed"
        raise InputError(place, "a tensor of numbers", _kind(value.type), hint)
    if value.shape is None:
        raise InputError(place, "a tensor with type and shape", "no shape")
    if any(isinstance(dim, int) and dim < 0 for dim in value.shape):
        raise InputError(place, "dimensions of 0 or more", str(value.shape))
    sizes = [dim for dim in value.shape if isinstance(dim, int)]
    if math.prod(sizes) * max(1, value.type.dtype.bitwidth // 8) > budget.INPUT_BYTES:
        raise InputError(place, f"at most {budget.INPUT_BYTES >> 30} GiB", str(value.shape))


def _kind(kind: object) -> str:
    if kind is None:
        return "no type"
    return str(kind.dtype.name if isinstance(kind, ir.TensorType) else type(kind).__name__).lower()


def _check_names(model: ir.Model, path: Path) -> None:
    """Refuse names that are no text, which is how damaged files are read."""
    names: list[object] = [*model.graph.opset_imports, model.producer_name, model.producer_version]
    names += [model.domain, model.doc_string, *_items(model.metadata_props)]
    for graph in (model.graph, *model.graph.subgraphs()):
        names += [graph.name, graph.doc_string, *_items(graph.metadata_props), *graph.initializers]
        names += _of_values([*graph.inputs, *graph.initializers.values()])
    for function in model.functions.values():
        names += [*function.identifier(), *function.opset_imports, function.doc_string, *function.attributes]
        names += [*_items(function.metadata_props), *_of_values(function.inputs)]
    for node in _all_nodes(model):
        node.device_configurations = ()  # how a node is spread over devices: nothing here keeps it
        names += [node.op_type, node.domain, node.name, node.overload, node.doc_string, *node.attributes]
        names += [*_items(node.metadata_props), *_of_values(node.outputs)]
    wrong = next((name for name in names if not isinstance(name, str | None)), None)
    if wrong is not None:
        raise InputError(str(path), "names that are text", repr(wrong), AGAIN)


def _items(properties: Mapping[str, str]) -> Iterator[object]:
    return itertools.chain.from_iterable(properties.items())


def _of_values(values: Iterable[ir.Value]) -> Iterator[object]:
    for value in values:
        yield from (value.name, value.doc_string, *_items(value.metadata_props))


def _all_nodes(model: ir.Model) -> Iterator[ir.Node]:
    yield from model.graph.all_nodes()
    for function in model.functions.values():
        yield from function.all_nodes()


def _check_reads(model: ir.Model, path: Path) -> None:
    """Refuse a graph that reads, or gives out, what nothing makes."""
    given: set[ir.Value] = set()
    graphs = [model.graph, *model.graph.subgraphs()]
    for graph in graphs:
        given.update(graph.inputs, graph.initializers.values())
    for node in model.graph.all_nodes():
        for value in node.inputs:
            if value is not None and value.producer() is None and value not in given:
                place = f"{path}: node {node.name or node.op_type!r}"
                raise InputError(place, "an input that something makes", repr(value.name))
    for graph in graphs:
        for value in graph.outputs:
            if value.producer() is None and value not in given:
                raise InputError(f"{path}: output", "a value that something makes", repr(value.name))


def _check_calls(model: ir.Model, path: Path) -> None:
    """Refuse functions that call themselves, or that together become more nodes than any model has."""
    sizes: dict[ir.OperatorIdentifier, int] = {}
    open_calls: dict[ir.OperatorIdentifier, None] = {}
    stack = [(name, False) for name in model.functions]
    while stack:
        name, done = stack.pop()
        body = list(model.functions[name].all_nodes())
        called = [node.op_identifier() for node in body if node.op_identifier() in model.functions]
        if done:
            del open_calls[name]
            sizes[name] = len(body) + sum(sizes[other] for other in called)
        elif name in open_calls:
            place = f"{path}: function {name[1]!r}"
            raise InputError(place, "functions that do not call themselves", "a circle", AGAIN)
        elif name not in sizes:
            open_calls[name] = None
            stack.append((name, True))
            stack.extend((other, False) for other in dict.fromkeys(called) if other not in sizes)
    total = sum(1 + sizes.get(node.op_identifier(), 0) for node in model.graph.all_nodes())
    if total > budget.INLINED_NODES:
        expected = f"at most {budget.INLINED_NODES:,} nodes with all functions inlined"
        raise InputError(str(path), expected, f"{total:,}", "do functions call functions, over and over?")
