"""Running small graphs of constants through ONNX Runtime, so that a constant is what the runtime would compute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from specialize.errors import InputError
from specialize.graph import subgraphs
from specialize.graph.budget import Budget
from specialize.graph.racing import safe_threads
from specialize.graph.watchdog import Watchdog

BAKED_BYTES = 1 << 30
"""Constants up to this size together are given to a session as weights, the largest as inputs: a model in
memory must stay below 2 GiB."""


class NotComputableError(InputError):
    """ONNX Runtime does not compute a graph of constants: shapes that contradict each other, mostly."""


def compute_like(node: ir.Node, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return what a node would compute from other inputs than its own.

    Raises:
        InputError: It cannot be computed from these.
    """
    assert node.graph is not None
    proto = ir.serde.serialize_node(node)
    del proto.input[:], proto.output[:]
    feeds = {f"v{index}": array for index, array in enumerate(arrays)}
    proto.input.extend(feeds)
    proto.output.append("out")
    inputs = [_declared(name, array) for name, array in feeds.items()]
    graph = onnx.helper.make_graph([proto], "node", inputs, [onnx.helper.make_empty_tensor_value_info("out")])
    imports = [
        onnx.helper.make_opsetid(domain, number) for domain, number in node.graph.opset_imports.items()
    ]
    return run(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8), feeds, [node])[0]


def program(
    nodes: list[ir.Node],
    roots: dict[ir.Value, str],
    feeds: dict[str, np.ndarray],
    outputs: list[ir.Value],
    opsets: dict[str, int],
    version: int,
) -> onnx.ModelProto:
    names = dict(roots)
    protos = []
    captured: set[str] = set()
    for node in nodes:
        proto = ir.serde.serialize_node(node)
        for index, value in enumerate(node.inputs):
            if value is not None:
                proto.input[index] = names.setdefault(value, f"v{len(names)}")
        del proto.output[:]  # serialized without unnamed ones at the end
        proto.output.extend(
            names.setdefault(value, f"v{len(names)}") if value.name else "" for value in node.outputs
        )
        for value in subgraphs.node_reads(node) if subgraphs.has_subgraph(node) else ():
            if str(value.name) not in captured:  # a subgraph reads it by its own name
                captured.add(str(value.name))
                source = names.setdefault(value, f"v{len(names)}")
                protos.append(onnx.helper.make_node("Identity", [source], [str(value.name)]))
        protos.append(proto)
    graph = onnx.helper.make_graph(
        protos,
        "known",
        [_declared(name, array) for name, array in feeds.items()],
        [onnx.helper.make_empty_tensor_value_info(names[value]) for value in outputs],
    )
    imports = [onnx.helper.make_opsetid(domain, number) for domain, number in opsets.items()]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=min(version, 11))


def _declared(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    """Return the declaration of an input that is fed with an array, whatever the graph it comes from says."""
    return onnx.helper.make_tensor_value_info(
        name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
    )


def baked(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Make weights of the feeds that are not too large, and return the others.

    A runtime packs the weights of a MatMul and then adds in another order than it does for inputs. Constants must
    come out as in the input model, bit by bit: two scores that tie within rounding would change places.
    """
    by_size = sorted(feeds.items(), key=lambda item: item[1].nbytes)
    sums = np.cumsum([array.nbytes for _, array in by_size])
    baked = dict(by_size[: int(np.searchsorted(sums, BAKED_BYTES, side="right"))])
    rest = [value for value in model.graph.input if value.name not in baked]
    del model.graph.input[:]
    model.graph.input.extend(rest)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array, order="C"), name) for name, array in baked.items()
    )
    return {name: array for name, array in feeds.items() if name not in baked}


def run(
    model: onnx.ModelProto, feeds: dict[str, np.ndarray], nodes: list[ir.Node], budget: Budget | None = None
) -> list[np.ndarray]:
    """Return what a graph computes from feeds.

    Args:
        model: The graph.
        feeds: Its inputs that are no weights.
        nodes: What it was made of, for errors.
        budget: What it may take of time and memory; a budget of its own if there is none.

    Raises:
        InputError: It cannot be computed, takes too long or too much memory, or gives something else than tensors.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = safe_threads(model.graph.node, 0)  # 0: as many as there are cores
    place = f"constants up to node {nodes[-1].name or nodes[-1].op_type!r}"
    with Watchdog(budget or Budget(), place) as watchdog:
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            arrays = list(session.run(None, feeds, watchdog.options))
        except Exception as error:  # ONNX Runtime raises types of its own, all derived from Exception only
            watchdog.require_within()
            raise NotComputableError(place, "a computable graph", str(error).strip()) from error
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise InputError(place, "tensors", "sequences or optional values")
    return arrays
