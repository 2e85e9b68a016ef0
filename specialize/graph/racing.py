"""Operators that ONNX Runtime computes wrong on several threads.

`ScatterND` with a reduction is split among threads, and two that add to the same place lose one of the additions
(microsoft/onnxruntime#18048; still so in 1.31). Sessions for graphs that have it use one thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx


def safe_threads(nodes: Iterable[onnx.NodeProto], threads: int) -> int:
    """Return how many threads an operator may use: those asked for, or one if a node races on several."""
    return 1 if any(map(_races, nodes)) else threads


def file_nodes(path: Path) -> Iterable[onnx.NodeProto]:
    """Return the nodes of the main graph of a file and of its functions; its weights are not read."""
    return model_nodes(onnx.load(str(path), load_external_data=False))


def model_nodes(model: onnx.ModelProto) -> Iterable[onnx.NodeProto]:
    """Return the nodes of the main graph of a model and of its functions."""
    return [*model.graph.node, *(node for function in model.functions for node in function.node)]


def _races(node: onnx.NodeProto) -> bool:
    if node.op_type == "ScatterND" and any(attribute.name == "reduction" for attribute in node.attribute):
        return True
    graphs = [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    return any(_races(inner) for graph in graphs for inner in graph.node)
