"""Take a part of a graph out as a model of its own, and run it without a file of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx

from specialize.graph.messages import bare
from specialize.graph.racing import model_nodes, safe_threads
from specialize.verify.runtime import Memory, Runner, open_bytes
from specialize.verify.segments import Net, Segment, graphs_of

Arrays = Mapping[str, np.ndarray]
CUT = "/cut"
"""Last part of the name of an input that takes the place of a named value."""


def part_of(
    net: Net, segments: Mapping[str, Segment], outputs: Iterable[str], feed: Arrays
) -> onnx.ModelProto:
    """Return a model that computes some named values, each from those that its segment reads.

    A named value that is read is an input called `NAME/cut`, so that no segment feeds another one. Inputs of the graph
    keep their names.

    Args:
        net: The graph.
        segments: The segment of each output, by name.
        outputs: The values to compute.
        feed: What is read, by name, for types and shapes.
    """
    chosen = [segments[name] for name in outputs]
    reads = sorted({name for segment in chosen for name in segment.reads})
    inner = {name: f"{name}{CUT}" for name in reads if name in net.makers}
    model = bare(net.model)
    for number in sorted({number for segment in chosen for number in segment.nodes}):
        _rename(model.graph.node.add(), net.model.graph.node[number], inner)
    model.graph.initializer.extend(
        net.constants[name] for name in sorted({name for segment in chosen for name in segment.constants})
    )
    for name in reads:
        kind = onnx.helper.np_dtype_to_tensor_dtype(feed[name].dtype)
        called = inner.get(name, name)
        model.graph.input.append(onnx.helper.make_tensor_value_info(called, kind, feed[name].shape))
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return model


def with_outputs(net: Net, names: Collection[str]) -> onnx.ModelProto:
    """Return a model whose outputs are those of the graph, and some named values beside them."""
    model = onnx.ModelProto()
    model.CopyFrom(net.model)
    known = set(net.outputs)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names) if name not in known)
    return model


def open_part(
    model: onnx.ModelProto, folder: Path, threads: int, optimize: bool = True, memory: Memory = "reused"
) -> Runner:
    """Open a model whose weights lie in the files of a folder; see `open_bytes`."""
    safe = safe_threads(model_nodes(model), threads)
    return open_bytes(model.SerializeToString(), folder, safe, optimize, memory)


def run_part(runner: Runner, feed: Arrays) -> dict[str, np.ndarray]:
    """Run a part on named values by their own names."""
    return runner.run({name: fed(name, feed) for name in runner.inputs})


def fed(name: str, feed: Arrays) -> np.ndarray:
    """Return what an input of a part is fed; inputs of the graph itself may be called `NAME/cut`, and values too."""
    value = name.removesuffix(CUT)
    return feed[value] if value in feed else feed[name]


def _rename(made: onnx.NodeProto, node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Make a copy of a node that reads other names, in its subgraphs too."""
    made.CopyFrom(node)
    for at, name in enumerate(made.input):
        made.input[at] = names.get(name, name)
    for graph in graphs_of(made):
        _rename_in(graph, names)


def _rename_in(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    outer = {name: other for name, other in names.items() if name not in own}
    for value in graph.output:
        value.name = outer.get(value.name, value.name)
    for node in graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = outer.get(name, name)
        for inner in graphs_of(node):
            _rename_in(inner, outer)
