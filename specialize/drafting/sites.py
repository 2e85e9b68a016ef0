"""Find which points each site of a graph projects: by tracing values that hold them, never by their number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from specialize.artifact.describe import describe_tensor
from specialize.drafting.grids import holds
from specialize.drafting.layout import layout_of
from specialize.drafting.points import Typed
from specialize.drafting.trial import Trials
from specialize.graph.closure import Closure
from specialize.graph.notes import node_name
from specialize.graph.subgraphs import node_reads
from specialize.model.spec import ModelSpec
from specialize.visibility.grid import QueryGrid


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedPoints:
    """The points that a graph projects into the cameras, by the value that holds them.

    Attributes:
        by_value: (P, 3) points in the lidar frame, m; several sets where the axes of a value leave a doubt.
        nodes: The nodes of the graph by name.
        closure: What the graph computes from its calibration alone.
    """

    by_value: Mapping[ir.Value, tuple[Typed, ...]] = field(repr=False)
    nodes: Mapping[str, ir.Node] = field(repr=False)
    closure: Closure | None = field(default=None, repr=False)

    def hold(self, grid: QueryGrid) -> bool:
        """Return whether the points of a grid are among them, in its order."""
        return _any_holds(self.by_value.values(), grid)

    def of_site(self, replaced: Collection[str]) -> tuple[tuple[Typed, ...], ...]:
        """Return the points that the nodes of a site are computed from; empty if none are known."""
        found: dict[ir.Value, None] = {}
        stack = self._own(
            [value for name in replaced if name in self.nodes for value in node_reads(self.nodes[name])]
        )
        seen = set(stack)
        while stack:
            value = stack.pop()
            node = value.producer()
            if value in self.by_value:
                found[value] = None
            elif node is not None:
                fresh = self._own([other for other in node_reads(node) if other not in seen])
                seen.update(fresh)
                stack.extend(fresh)
        return tuple(self.by_value[value] for value in found)

    def _own(self, values: list[ir.Value]) -> list[ir.Value]:
        """Return those of some values that the calibration alone determines: what other layers compute is theirs."""
        return [value for value in values if self.closure is not None and value in self.closure]


def projected_points(model: ir.Model, spec: ModelSpec, cameras: int) -> ProjectedPoints:
    """Return the points that a graph projects, in the lidar frame.

    None where its calibration is about the vehicle, or has lenses: what is tried are matrices of the lidar.

    Args:
        model: The graph, folded, its calibration still an input.
        spec: What its inputs are.
        cameras: Number of cameras.
    """
    kinds = {name: spec.kind_of(name).kind for name in spec.calibration_inputs}
    nodes = {node_name(node): node for node in model.graph}
    if not kinds or spec.lens is not None or any("ego" in kind for kind in kinds.values()):
        return ProjectedPoints({}, nodes)
    layout = layout_of([describe_tensor(value) for value in model.graph.inputs])
    trials = Trials(model, list(kinds), replace(layout, cameras=cameras))
    found: dict[ir.Value, tuple[Typed, ...]] = {}
    for value, several in trials.typed(kinds, trials.pointlike(frozenset(kinds))).items():
        points = [each for each in several if each.transform == "lidar2img" and each.source == "metres"]
        if points:
            found[value] = tuple(points)
    return ProjectedPoints(found, nodes, trials.closure)


def is_among(points: Iterable[tuple[Typed, ...]], grid: QueryGrid) -> bool:
    """Return whether the points of a grid are those of one of some values."""
    return _any_holds(points, grid)


def _any_holds(points: Iterable[tuple[Typed, ...]], grid: QueryGrid) -> bool:
    count = grid.queries * grid.anchors
    return any(
        len(each.points) == count and holds(each.points, grid) for several in points for each in several
    )
