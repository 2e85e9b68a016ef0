"""Anatomy of a model that nobody has described: where its queries stand, its masks, and the form of each site."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.calibration.profile import CalibrationProfile
from specialize.graph.closure import Closure
from specialize.graph.custom import is_view
from specialize.graph.subgraphs import node_reads
from specialize.model import GridSpec, ModelSpec
from specialize.passes.base import node_name
from specialize.passes.bind import feeds_of
from specialize.passes.masks import Trial, find_masks
from specialize.passes.site import CompactedSite
from specialize.planning import visible_sets
from specialize.rows.lift import array_of

ZERO_PADDED, REBATCHED, LOOPED = "zero-padded", "re-batched", "one camera after the other"
TABLES, POOLED = "tables from outside", "points pooled into cells"
SAMPLERS = frozenset({"GridSample", "GatherElements", "MultiScaleDeformableAttn"})
SCATTERS = frozenset({"ScatterND", "ScatterElements"})
PICKS = frozenset({"Gather", "GatherND", "GatherElements", "GridSample"})
_LEAST_POINTS = 16
_HALF_M = 0.5  # from the lowest point of a pillar to the floor of its box, as in `QueryGrid.axes`


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteForm:
    """How a site is written.

    Attributes:
        where: The node at which rows are dropped.
        form: Zero-padded, re-batched, one camera after the other, tables from outside, or points pooled into cells.
        sampling: What its samples are read by, and how many nodes that are.
        rows: Rows that it computes as it is: all cameras, all queries, unless it is re-batched already.
    """

    where: str
    form: str
    sampling: str
    rows: int


def find_grid(model: ir.Model, bound: Collection[str], queries: int = 0) -> GridSpec | None:
    """Return the grid whose points a graph multiplies with its calibration; None if there is no regular one.

    Args:
        model: The graph, folded: points are constants.
        bound: Inputs that are calibration.
        queries: Number of queries of its sites, to tell pillars from voxels; 0 if it is not known.
    """
    closure = Closure(model, bound)
    for node in closure.nodes:
        for value in node.inputs:
            array = array_of(value)
            for points in () if array is None or array.dtype.kind != "f" else _points(array):
                grid = _regular(points, queries)
                if grid is not None:
                    return grid
    return None


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
    """Return how each site of a graph is written.

    Args:
        original: The graph as it was read.
        bound: Inputs that are calibration, or tables.
        sites: What compaction found.
        cameras: Number of cameras.
    """
    nodes = {node_name(node): node for node in original.graph}
    share = _Share(original.graph, bound)
    custom = [node for node in original.graph if is_view(node)]
    found = []
    for site in sites:
        own = [nodes[name] for name in sorted(site.replaced) if name in nodes]
        samplers = [node for node in own if share.samples(node)] or custom[: len(custom) // len(sites)]
        found.append(
            SiteForm(
                where=site.where,
                form=_form(own, len(samplers), share, cameras),
                sampling=_sampling(samplers),
                rows=site.rows_before,
            )
        )
    return tuple(found)


class _Share:
    """What a graph computes from some of its inputs alone, its shapes aside."""

    def __init__(self, graph: ir.Graph, bound: Collection[str]) -> None:
        self._live = {value for value in graph.inputs if value.name not in bound}
        self._bound = {value for value in graph.inputs if value.name in bound}
        for node in graph:
            reads = node_reads(node)
            if node.op_type not in ("Shape", "Size") and any(value in self._live for value in reads):
                self._live.update(node.outputs)
            elif any(value in self._bound for value in reads):
                self._bound.update(node.outputs)

    def samples(self, node: ir.Node) -> bool:
        """Return whether a node reads images at places that the rest of the model computes."""
        return (node.op_type in SAMPLERS or is_view(node)) and not self.picks(node)

    def picks(self, node: ir.Node) -> bool:
        """Return whether a node picks rows by a table that is given, or computed from what is given."""
        return node.op_type in PICKS and len(node.inputs) > 1 and node.inputs[1] in self._bound

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


def _form(own: Sequence[ir.Node], samplers: int, share: _Share, cameras: int) -> str:
    if not samplers and any(node.op_type in SCATTERS for node in own):
        return POOLED
    if share.above(own)["NonZero"]:
        return LOOPED if cameras > 1 and samplers >= cameras else REBATCHED
    return TABLES if any(share.picks(node) for node in own) else ZERO_PADDED


def _sampling(samplers: Sequence[ir.Node]) -> str:
    names = Counter(f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in samplers)
    return ", ".join(f"{name} x{count}" for name, count in sorted(names.items())) or "nothing"


def _points(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield an array as points (n, 3) wherever one of its axes is homogeneous coordinates."""
    for axis, size in enumerate(array.shape):
        if size == 4 and array.size >= 4 * _LEAST_POINTS:
            points = np.moveaxis(array, axis, -1).reshape(-1, 4).astype(np.float64)
            if (points[:, 3] == 1).all():
                yield points[:, :3]


def _regular(points: np.ndarray, queries: int) -> GridSpec | None:
    """Return the grid that points (n, 3) fill, in metres."""
    x, y, z = (np.unique(np.round(points[:, axis], 4)) for axis in range(3))
    if min(len(x), len(y)) < 2 or len(points) % (len(x) * len(y) * len(z)):
        return None
    if not all(np.allclose(np.diff(line), np.diff(line).mean(), atol=2e-3) for line in (x, y)):
        return None
    shape: tuple[int, ...] = (len(y), len(x))
    anchors, floor, ceiling = len(z), z[0] - _HALF_M, z[-1] + _HALF_M
    if queries == len(x) * len(y) * len(z) and len(z) > 1:
        shape, anchors = (len(z), *shape), 1
        floor, ceiling = _ends(z)
    if queries and queries != math.prod(shape):
        return None
    ends = (_ends(x), _ends(y), (floor, ceiling))
    low, high = (tuple(round(float(end[side]), 3) for end in ends) for side in (0, 1))
    return GridSpec(shape=shape, range_m=(*low, *high), anchors=anchors)  # type: ignore[arg-type]


def _ends(line: np.ndarray) -> tuple[float, float]:
    """Return where the first cell of a line of centres begins and where the last one ends."""
    half = float(line[-1] - line[0]) / (len(line) - 1) / 2
    return float(line[0]) - half, float(line[-1]) + half
