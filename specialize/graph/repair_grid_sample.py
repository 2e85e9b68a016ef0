"""Repair: read float64 places of a GridSample through a cast, so that a runtime opens the user's own model.

What: GridSample(float32 features, float64 places)  ->  GridSample(features, Cast(places, float32)).
Why it is allowed: no runtime has GridSample for float64 places, so the model as exported runs nowhere. Everything else
    stays as it is; the repair is declared in the manifest and the report, and a proof compares every repaired node
    with its evaluation in float64 (`verify/repaired.py`).
Needs: nothing; element types follow from operator schemas.
Declines when: the node interpolates in a way that the proof does not evaluate, or has other than 4 axes.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.builder import PASS_KEY
from specialize.graph.element_types import element_types

NAME = "repair"
OPERATOR = "GridSample"
MODES = ("bilinear", "linear", "nearest")
"""Interpolations that a proof evaluates in float64."""

_WIDE, _NARROW = ir.DataType.DOUBLE, ir.DataType.FLOAT


def repair_samples(model: ir.Model) -> list[str]:
    """Let every GridSample that reads float64 read it through a cast to float32, in place.

    Returns:
        Names of the nodes, in graph order.
    """
    nodes = [node for node in model.graph.all_nodes() if node.op_type == OPERATOR and not node.domain]
    if not nodes:
        return []
    types = element_types(model)
    repaired = []
    for node in nodes:
        wide = [index for index, value in enumerate(node.inputs) if value and types.get(value) == _WIDE]
        if wide and _mode(node) in MODES:
            _narrow(node, wide)
            repaired.append(node.name or str(node.outputs[0].name))
    return repaired


def repaired_nodes(graph: ir.Graph) -> list[ir.Node]:
    """Return the nodes of a graph whose places were float64 before it was repaired."""
    return [node for node in graph.all_nodes() if node.op_type == OPERATOR and _is_cast(node.inputs[1])]


def _mode(node: ir.Node) -> str:
    return node.attributes["mode"].as_string() if "mode" in node.attributes else "bilinear"


def _is_cast(value: ir.Value | None) -> bool:
    producer = value.producer() if value is not None else None
    return producer is not None and producer.metadata_props.get(PASS_KEY) == NAME


def _narrow(node: ir.Node, wide: list[int]) -> None:
    """Cast inputs of a node to float32, and its result back if its features were float64."""
    graph = node.graph
    assert graph is not None
    for index in wide:
        value = node.inputs[index]
        assert value is not None
        cast = _cast(value, _NARROW, f"{node.name}/{NAME}_{index}")
        graph.insert_before(node, cast)
        node.replace_input_with(index, cast.outputs[0])
    if 0 in wide:
        result = node.outputs[0]
        back = _cast(result, _WIDE, f"{node.name}/{NAME}_back")
        graph.insert_after(node, back)
        ir.convenience.replace_all_uses_with(result, back.outputs[0], replace_graph_outputs=True)
        back.replace_input_with(0, result)
        result.type, result.name, back.outputs[0].name = (
            ir.TensorType(_NARROW),
            back.outputs[0].name,
            result.name,
        )


def _cast(value: ir.Value, dtype: ir.DataType, name: str) -> ir.Node:
    node = ir.node("Cast", [value], {"to": dtype}, name=name, metadata_props={PASS_KEY: NAME})
    node.outputs[0].name = f"{name}_output"
    node.outputs[0].type, node.outputs[0].shape = ir.TensorType(dtype), value.shape
    return node
