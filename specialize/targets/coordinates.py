"""The coordinate branch: what computes where deformable attention samples. In 8 bits it breaks the model.

From the projection of a query to offsets up to the grid of GridSample, or the locations of a custom operator.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from specialize.graph.custom import CUSTOM, Role, roles_of
from specialize.graph.notes import node_name
from specialize.graph.views import MOVES

PLACES: tuple[Role, ...] = ("locations", "reference", "offsets")
"""Inputs of custom operators that tell where to sample."""

PROJECTIONS = frozenset({"MatMul", "Gemm", "Conv", "Einsum"})
"""Where offsets come from."""

ALONG = MOVES | {
    "Abs", "Add", "And", "Atan", "Cast", "Ceil", "Clip", "Concat", "Cos", "Div", "Equal", "Exp", "Floor",
    "GatherElements", "GatherND", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod",
    "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Reciprocal", "Round", "ScatterElements", "ScatterND", "Sigmoid", "Sign",
    "Sin", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "Tile", "Where",
}  # fmt: skip
"""What may stand between a projection and a place: element by element, or only moving. Reference points of a decoder
are written in place, and made from those of the layer before by the logarithms of an inverse sigmoid."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One coordinate branch.

    Attributes:
        starts: Tensors that projections give.
        end: Tensor that holds where to sample.
        nodes: Names of the nodes from the projections, included, to the end.
        readers: Names of the GridSamples that read it.
    """

    starts: tuple[str, ...]
    end: str
    nodes: tuple[str, ...]
    readers: tuple[str, ...]


def coordinate_branches(model: ir.Model) -> tuple[Branch, ...]:
    """Return the branch of every place where a graph samples at computed places."""
    return tuple(branch for value in sampling_places(model) if (branch := _branch(value)) is not None)


def sampling_places(model: ir.Model) -> list[ir.Value]:
    """Return the tensors that tell where to sample, each once."""
    found: dict[ir.Value, None] = {}
    for node in model.graph:
        places: list[ir.Value | None] = []
        if node.op_type == "GridSample":
            places = [node.inputs[1]]
        elif (node.domain, node.op_type) in CUSTOM:
            roles = dict(zip(roles_of(node, CUSTOM[node.domain, node.op_type]), node.inputs, strict=False))
            places = [roles.get(role) for role in PLACES]
        found.update((value, None) for value in places if value is not None and value.const_value is None)
    return list(found)


def _branch(end: ir.Value) -> Branch | None:
    """Return what lies above a tensor, up to projections; None if there is no projection."""
    starts: dict[str, None] = {}
    nodes: dict[ir.Node, None] = {}
    level = [end]
    while level:
        above: dict[ir.Value, None] = {}
        for value in level:
            node = value.producer()
            if node is None or node in nodes:
                continue
            if node.op_type in PROJECTIONS:
                nodes[node] = None
                starts[str(value.name)] = None
            elif node.op_type in ALONG:
                nodes[node] = None
                inputs = (each for each in node.inputs if each is not None and each.const_value is None)
                above.update(dict.fromkeys(inputs))
        level = list(above)
    names = tuple(node_name(node) for node in reversed(nodes))
    readers = tuple(
        node_name(use.node) for use in end.uses() if use.node.op_type == "GridSample" and use.idx == 1
    )
    return Branch(tuple(starts), str(end.name), names, readers) if starts else None
