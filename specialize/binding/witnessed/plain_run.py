"""Values of a graph from a plain run in ONNX Runtime, with nothing of the compiler in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.external_data_helper import load_external_data_for_model

Arrays = Mapping[str, np.ndarray]


def run_values(path: Path, names: Sequence[str], fed: Arrays) -> dict[str, np.ndarray]:
    """Return those of some values of an ONNX file that follow from what is fed and from constants alone."""
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output if name}
    needed: dict[str, set[str]] = {}
    wanted = [
        name for name in names if name in made_by and _follows(name, made_by, constants | set(fed), needed)
    ]
    if not wanted:
        return {}
    kept = set().union(*(needed[name] for name in wanted))
    nodes = [node for node in graph.node if any(name in kept for name in node.output)]
    read = {name for node in nodes for name in node.input}
    for part, items in (
        (graph.node, nodes),
        (graph.initializer, [tensor for tensor in graph.initializer if tensor.name in read]),
        (graph.input, [value for value in graph.input if value.name in read]),
        (graph.output, [onnx.ValueInfoProto(name=name) for name in wanted]),
    ):
        kept_items = list(items)
        del part[:]
        part.extend(kept_items)
    load_external_data_for_model(model, str(path.parent))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {put.name: fed[put.name] for put in session.get_inputs()}
    return dict(zip(wanted, session.run(wanted, feeds), strict=True))


def _follows(
    name: str, made_by: Mapping[str, onnx.NodeProto], known: set[str], needed: dict[str, set[str]]
) -> bool:
    """Return whether a value follows from known ones; note what it needs."""
    seen: set[str] = set()
    stack = [name]
    while stack:
        current = stack.pop()
        if current in seen or current in known or not current:
            continue
        node = made_by.get(current)
        if node is None or any(attribute.HasField("g") for attribute in node.attribute):
            return False
        seen.update(output for output in node.output if output)
        seen.add(current)
        stack.extend(node.input)
    needed[name] = seen
    return True
