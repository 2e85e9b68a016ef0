"""Analyse a model without a sidecar: its masks, and the form of each site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from specialize.calibration.profile import CalibrationProfile
from specialize.graph.closure import Closure
from specialize.graph.custom import is_view
from specialize.graph.dependents import dependents, reads_any
from specialize.graph.notes import node_name
from specialize.graph.ops import SAMPLERS, of
from specialize.graph.subgraphs import node_reads
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.passes.bind import feeds_of
from specialize.passes.masks import Trial, find_masks
from specialize.passes.site import CompactedSite

ZERO_PADDED, REBATCHED, LOOPED = "zero-padded", "re-batched", "one camera after the other"
TABLES, POOLED = "tables from outside", "points pooled into cells"
PICKS = of("gather") | {"GridSample"}
CORNERS = 4
"""How many gathers from one image a bilinear sampling is, before there was `GridSample`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteForm:
    """Form of a site.

    Attributes:
        where: Name of the node at which rows are dropped.
        form: Zero-padded, re-batched, one camera after the other, tables from outside, or points pooled into cells.
        sampling: Operators that sample, with their numbers.
        rows: Rows that the original computes: all cameras times all queries, unless it is re-batched already.
    """

    where: str
    form: str
    sampling: str
    rows: int


def mask_names(model: ir.Model, spec: ModelSpec, profiles: Sequence[CalibrationProfile]) -> tuple[str, ...]:
    """Return the names of the values that say what the cameras see, as a sidecar's grids have it."""
    if not spec.grids:
        return ()
    closure = Closure(model, spec.calibration_inputs)
    trials = [Trial(feeds_of(model, spec, each), visible_sets(spec, each)) for each in profiles]
    return tuple(str(value.name) for value in find_masks(closure, trials))


def site_forms(
    original: ir.Model, bound: Collection[str], sites: Sequence[CompactedSite], cameras: int
) -> tuple[SiteForm, ...]:
    """Return the form of each site of a graph.

    Args:
        original: The graph as it was read.
        bound: Inputs that are calibration, or tables.
        sites: Sites that compaction found.
        cameras: Number of cameras.
    """
    nodes = {node_name(node): node for node in original.graph}
    share = _Share(original.graph, bound)
    custom = [node for node in original.graph if is_view(node)]
    found = []
    for site in sites:
        own = [nodes[name] for name in sorted(site.replaced) if name in nodes]
        samplers = [node for node in own if share.samples(node)] or custom[: len(custom) // len(sites)]
        by_camera = site.by_camera(cameras).kind == "camera"
        form = _form(own, samplers, share, cameras) if by_camera else POOLED
        if by_camera and not samplers:  # the calibration alone says where it samples
            samplers = [node for node in own if share.picks(node)]
        found.append(
            SiteForm(
                where=site.where,
                form=form,
                sampling=_sampling(samplers),
                rows=site.rows_before,
            )
        )
    return tuple(found)


class _Share:
    """What a graph computes from some of its inputs alone, its shapes aside."""

    def __init__(self, graph: ir.Graph, bound: Collection[str]) -> None:
        others = [value for value in graph.inputs if value.name not in bound]
        live = dependents(graph, others, _reads_contents)
        alone = [node for node in graph if not any(value in live for value in node.outputs)]
        self._bound = dependents(alone, [value for value in graph.inputs if value.name in bound])

    def samples(self, node: ir.Node) -> bool:
        """Return whether a node reads images at places that the rest of the model computes."""
        return (node.op_type in SAMPLERS or is_view(node)) and not self.picks(node)

    def picks(self, node: ir.Node) -> bool:
        """Return whether a node picks rows by a table that is given, or computed from what is given.

        A sampling that interpolates does not pick, be it a `GridSample` or gathers of four corners: it samples images
        at places that the calibration determines.
        """
        return (
            node.op_type in PICKS
            and len(node.inputs) > 1
            and node.inputs[1] in self._bound
            and _is_whole(node)
        )

    def above(self, nodes: Sequence[ir.Node]) -> Counter[str]:
        """Return the operators that compute, from what is given alone, what some nodes read."""
        found: dict[ir.Node, None] = {}
        stack = list(nodes)
        while stack:
            for value in node_reads(stack.pop()):
                made = value.producer()
                if made is not None and value in self._bound and made not in found:
                    found[made] = None
                    stack.append(made)
        return Counter(node.op_type for node in found)


def _reads_contents(node: ir.Node, values: Container[ir.Value]) -> bool:
    """Return whether a node reads what is in some values, and not their shapes alone."""
    return node.op_type not in ("Shape", "Size") and reads_any(node, values)


def _is_whole(node: ir.Node) -> bool:
    """Return whether a node reads whole entries, and interpolates between none."""
    if node.op_type == "GatherElements" and node.inputs[0] is not None:
        alike = [use for use in node.inputs[0].uses() if use.node.op_type == node.op_type and use.idx == 0]
        return len(alike) < CORNERS
    if node.op_type != "GridSample":
        return True
    return "mode" in node.attributes and node.attributes["mode"].as_string() == "nearest"


def _form(own: Sequence[ir.Node], samplers: Sequence[ir.Node], share: _Share, cameras: int) -> str:
    if share.above(own)["NonZero"]:
        images = {node.inputs[0] for node in samplers}  # four corners are gathered from one image
        return LOOPED if cameras > 1 and len(images) >= cameras else REBATCHED
    return TABLES if any(share.picks(node) for node in own) else ZERO_PADDED


def _sampling(samplers: Sequence[ir.Node]) -> str:
    names = Counter(f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in samplers)
    return ", ".join(f"{name} x{count}" for name, count in sorted(names.items())) or "nothing"
