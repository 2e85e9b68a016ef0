"""Count a graph: every node by the table of formulas, every tensor by its shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import onnx_ir as ir

from specialize.costs.formulas import FORMULAS
from specialize.costs.movement import movement
from specialize.costs.node import NodeView, UnknownShapeError, Work, byte_size
from specialize.costs.pieces import pieces
from specialize.costs.projections import with_projections
from specialize.costs.report import UNKNOWN_SHAPE, CostReport, NodeCost
from specialize.costs.traffic import Traffic, is_constant, is_weight, node_traffic, peak_activation_bytes
from specialize.errors import InputError
from specialize.evidence.costs import NOTHING, Uncounted
from specialize.graph.folding import evaluate
from specialize.graph.shapes import is_static
from specialize.graph.subgraphs import has_subgraph

SITE_KEY = "specialize.site"
"""Key of a node's metadata that names the attention site it belongs to."""


def count_file(path: Path, attention: Collection[str] = ()) -> CostReport:
    """Count an ONNX file; its weights are not read. See `count`.

    Raises:
        InputError: The file is no ONNX model.
    """
    try:
        model = ir.load(path)
    except Exception as error:
        raise InputError(str(path), "an ONNX model", str(error)) from error
    return count(model, attention)


def count(model: ir.Model, attention: Collection[str] = ()) -> CostReport:
    """Count the main graph of a model.

    The projections around the attention's rows count to its site, see `projections`.

    Args:
        model: Its shapes are inferred first where they are missing, and annotated in place.
        attention: Names of nodes that belong to an attention site, for graphs without marks; marked nodes
            (`specialize.site` in their metadata) keep the site of their mark.
    """
    if not all(
        value.dtype is not None and is_static(value)
        for node in model.graph
        for value in node.outputs
        if value.name
    ):
        evaluate(model)
    chosen = frozenset(attention)
    core = {node: site for node in model.graph if (site := _site(node, chosen))}
    sites = with_projections(model.graph, core)
    missing: Counter[tuple[str, str, str, bool]] = Counter()
    costs = [_node_cost(node, sites.get(node, ""), node in core, missing) for node in model.graph]
    weights, constants = _resident_bytes(model.graph)
    return CostReport(
        nodes=tuple(costs),
        uncounted=tuple(
            Uncounted(op=op, domain=domain, reason=reason, nodes=nodes, attention=in_site)
            for (op, domain, reason, in_site), nodes in sorted(missing.items())
        ),
        peak_activation_bytes=_peak(model.graph),
        weight_bytes=weights,
        constant_bytes=constants,
    )


def _site(node: ir.Node, attention: frozenset[str]) -> str:
    """Return the site of a node: its mark, `0` if its name was given, else nothing."""
    return str(node.metadata_props.get(SITE_KEY, "0" if node.name in attention else ""))


def _node_cost(
    node: ir.Node, site: str, per_row: bool, missing: Counter[tuple[str, str, str, bool]]
) -> NodeCost:
    """Return a node's cost; what cannot be counted is added to `missing` and counts as nothing."""
    work, traffic, moved, each = Work(), Traffic(), NOTHING, 0
    try:
        formula = FORMULAS.get(node.op_type)
        if formula is None:
            reason = "runs a subgraph" if has_subgraph(node) else "no formula"
            missing[node.op_type, node.domain, reason, bool(site)] += 1
        else:
            work = formula.work(NodeView(node))
        traffic, moved, each = node_traffic(node), movement(node), pieces(node)
    except UnknownShapeError:
        missing[node.op_type, node.domain, UNKNOWN_SHAPE, bool(site)] += 1
    return NodeCost(
        name=node.name or "",
        op=node.op_type,
        site=site,
        per_row=per_row,
        multiply_adds=work.multiply_adds,
        other=work.other,
        samples=work.samples,
        activation_bytes=traffic.activations,
        weight_bytes=traffic.weights,
        constant_bytes=traffic.constants,
        written_bytes=traffic.written,
        movement=moved,
        pieces=each,
    )


def _resident_bytes(graph: ir.Graph) -> tuple[int, int]:
    """Return the bytes of all weights and of all other constants, each counted once."""
    weights: dict[ir.Value, None] = {}
    constants: dict[ir.Value, None] = {}
    for node in graph:
        for index, value in enumerate(node.inputs):
            if value is not None and is_constant(value):
                (weights if is_weight(node, index) else constants)[value] = None
    others = [value for value in constants if value not in weights]
    return sum(map(byte_size, weights)), sum(map(byte_size, others))


def _peak(graph: ir.Graph) -> int:
    try:
        return peak_activation_bytes(graph)
    except UnknownShapeError:
        return 0
