"""The coordinate branch: what computes where deformable attention samples. In 8 bits it breaks the model.

From the projection of a query to offsets up to the grid of GridSample, or the locations of a custom operator.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from specialize.graph.custom import CUSTOM, roles_of
from specialize.passes.base import node_name
from specialize.passes.view import MOVES

FARTHEST = 40
"""Nodes from the grid up to the projection; real ones are a third of that."""

PROJECTIONS = frozenset({"MatMul", "Gemm", "Conv"})
"""Where offsets come from."""

INSIDE = MOVES | {
    "Add", "Sub", "Mul", "Div", "Clip", "Floor", "Round", "Abs", "Cast", "Concat", "Sigmoid", "Tanh", "Min", "Max",
}  # fmt: skip
"""What may stand between."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One coordinate branch.

    Attributes:
        starts: Tensors that projections give.
        end: Tensor that tells where to sample.
        nodes: Names of the nodes from the projections, included, to the end.
    """

    starts: tuple[str, ...]
    end: str
    nodes: tuple[str, ...]


def coordinate_branches(model: ir.Model) -> tuple[Branch, ...]:
    """Return the branch of every place where a graph samples at computed places."""
    return tuple(branch for value in sampling_places(model) if (branch := _branch(value)) is not None)


def sampling_places(model: ir.Model) -> list[ir.Value]:
    """Return the tensors that tell where to sample, each once."""
    found: dict[ir.Value, None] = {}
    for node in model.graph:
        value = None
        if node.op_type == "GridSample":
            value = node.inputs[1]
        elif (node.domain, node.op_type) in CUSTOM:
            roles = dict(zip(roles_of(node, CUSTOM[node.domain, node.op_type]), node.inputs, strict=False))
            value = roles.get("locations") or roles.get("offsets")
        if value is not None and value.const_value is None:
            found[value] = None
    return list(found)


def _branch(end: ir.Value) -> Branch | None:
    """Return what lies above a tensor, up to projections; None if there is no projection."""
    starts: dict[str, None] = {}
    nodes: dict[str, None] = {}
    level = [end]
    for _ in range(FARTHEST):
        above: dict[ir.Value, None] = {}
        for value in level:
            node = value.producer()
            if node is None:
                continue
            if node.op_type in PROJECTIONS:
                nodes[node_name(node)] = None
                starts[str(value.name)] = None
            elif node.op_type in INSIDE:
                nodes[node_name(node)] = None
                above.update(
                    (each, None) for each in node.inputs if each is not None and each.const_value is None
                )
        level = list(above)
        if not level:
            break
    return Branch(tuple(starts), str(end.name), tuple(reversed(nodes))) if starts else None
