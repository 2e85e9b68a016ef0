"""Find the projections that belong to an attention site although they do not shrink with its rows.

A compiler marks what it rewrites: the work per row. A cross-attention is more than that: its value projection works on
image features and its output projection on queries. Leaving them out would make every saving look larger than it is, so
they are found here, by operators alone: backward from the sampled value to the matrix product that computes it,
forward from the result to the matrix product that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from specialize.costs.formulas import MSDA_OPERATORS
from specialize.costs.traffic import is_constant
from specialize.graph.ops import MOVES, OPERATORS

_SAMPLERS = frozenset({"GridSample", *MSDA_OPERATORS})
_MOVES = MOVES | {"Cast"}
_SCALES = frozenset({"Add", "Mul", "Div"})
_LONGEST = 24  # steps from the rows to a projection; what is farther away is another layer


def with_projections(graph: ir.Graph, core: Mapping[ir.Node, str]) -> dict[ir.Node, str]:
    """Return the nodes of every site: those given, and the projections around them.

    Args:
        graph: The graph.
        core: Node -> site, as marked by the compiler or named by the caller.
    """
    sites = dict(core)
    for node in graph:
        site = core.get(node)
        if site is None:
            continue
        found = _value_projection(node, core) if node.op_type in _SAMPLERS else []
        found += _output_projection(node, core)
        for extra in found:
            sites.setdefault(extra, site)
    return sites


def _value_projection(sampler: ir.Node, core: Mapping[ir.Node, str]) -> list[ir.Node]:
    """Return the nodes outside the core between a sampler's value and the product that projects it."""
    path: dict[ir.Node, None] = {}
    values = [sampler.inputs[0]]
    projected = False
    for _ in range(_LONGEST):
        producers = dict.fromkeys(
            value.producer() for value in values if value is not None and not is_constant(value)
        )
        nodes = [node for node in producers if node is not None and node not in path]
        if not nodes:
            break
        values = []
        for node in nodes:
            if _is_product(node):
                projected = True
            elif node.op_type in _MOVES or _is_scaling(node):
                values += [value for value in _contents(node) if not is_constant(value)]
            else:
                return []
            path[node] = None
    return [node for node in path if node not in core] if projected else []


def _contents(node: ir.Node) -> list[ir.Value]:
    """Return the inputs of a node that say what, not where or in which shape: exports compute shapes at run time."""
    places = OPERATORS[node.op_type].places
    return [value for place, value in enumerate(node.inputs) if value is not None and place not in places]


def _output_projection(node: ir.Node, core: Mapping[ir.Node, str]) -> list[ir.Node]:
    """Return the nodes from a result that leaves the core to the product that reads it, its bias included."""
    path: list[ir.Node] = []
    (value, *others) = node.outputs
    for _ in range(_LONGEST):
        readers = [user for user, _ in value.uses()]
        if others or len(readers) != 1 or readers[0] in core:
            return []
        (reader,) = readers
        path.append(reader)
        value = reader.outputs[0]
        if _is_product(reader):
            return path + _bias(value)
        if reader.op_type not in (*_MOVES, "ReduceSum") and not _is_scaling(reader):
            return []
    return []


def _bias(value: ir.Value) -> list[ir.Node]:
    readers = [user for user, _ in value.uses()]
    return [node for node in readers if node.op_type == "Add" and _is_scaling(node) and len(readers) == 1]


def _is_product(node: ir.Node) -> bool:
    """Return whether a node multiplies with a constant matrix."""
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    return node.op_type in ("MatMul", "Gemm") and weight is not None and is_constant(weight)


def _is_scaling(node: ir.Node) -> bool:
    """Return whether a node adds or multiplies something that is constant, or one number per row."""
    if node.op_type not in _SCALES:
        return False
    widths = [
        1 if is_constant(value) or value.shape is None or not len(value.shape) else value.shape[-1]
        for value in node.inputs
        if value is not None
    ]
    return widths.count(1) >= 1
