"""Draft what a pooling by tables says of a sidecar: its tables among the inputs, and the points that they number."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from specialize.drafting.entries import Entry
from specialize.graph.custom import TABLES, is_pool
from specialize.graph.folding import fold
from specialize.graph.shapes import dims, is_static
from specialize.model.parts import FrustumSpec
from specialize.model.sidecar import GUESS

USUAL_RANGE_M = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
USUAL_DEPTH_M = (1.0, 60.0)
"""First depth, and the end of the last one, of the published view transforms on nuScenes."""

DEPTH_AXES = 4
"""Cameras, depths, rows and columns; a batch may stand before them."""


@dataclass(frozen=True, slots=True)
class PoolDraft:
    """A pooling whose tables are inputs.

    Attributes:
        entries: The inputs that are its tables; their kinds are certain.
        cameras: Number of cameras.
        frustum: The points, with the depths and the box of the usual ones.
    """

    entries: tuple[Entry, ...]
    cameras: int
    frustum: FrustumSpec

    def names(self) -> set[str]:
        """Return the inputs that are its tables."""
        return {entry.name for entry in self.entries}

    def lines(self) -> list[str]:
        """Return the section `frustum` of a draft: its sizes are those of the graph, everything else is a guess."""
        frustum = self.frustum
        return [
            "frustum:",
            f"  shape: {list(frustum.shape)}  # depths, rows and columns that the pooling reads",
            f"  depth_m: {GUESS} {list(frustum.depth_m)}  # first and last depth, evenly spaced",
            f"  cells: {list(frustum.cells)}  # x, y, z: the size of what it gives",
            f"  range_m: {GUESS} {list(frustum.range_m)}  # the box of the cells, x0 y0 z0 x1 y1 z1",
            f"  frame: {GUESS} ego or lidar  # of the box",
        ]


def pool_of(model: ir.Model) -> PoolDraft | None:
    """Return what a graph says of its pooling; None without one whose tables are inputs.

    Args:
        model: The graph with its custom operators, folded in place if it pools, so that shapes are known.

    Raises:
        InputError: It contradicts itself.
    """
    if any(map(is_pool, model.graph)):
        fold(model)
    for node in model.graph:
        depth = node.inputs[0] if is_pool(node) else None
        if depth is None or not is_static(depth) or len(dims(depth)) < DEPTH_AXES:
            continue
        *_, cameras, depths, rows, columns = dims(depth)
        inputs = {table: _input(value, model) for table, value in zip(TABLES, node.inputs[2:], strict=True)}
        comment = f"read as such by {node.domain + '::' if node.domain else ''}{node.op_type}"
        entries = tuple(Entry(name, (table,), True, comment) for table, name in inputs.items() if name)
        if not entries:
            continue
        first, end = USUAL_DEPTH_M
        height, width = (node.attributes[name].as_int() for name in ("out_height", "out_width"))
        frustum = FrustumSpec(
            shape=(depths, rows, columns),
            depth_m=(first, round(end - (end - first) / depths, 3)),
            cells=(width, height, 1),
            range_m=USUAL_RANGE_M,
            frame="ego",
        )
        return PoolDraft(entries, cameras, frustum)
    return None


def _input(value: ir.Value | None, model: ir.Model) -> str:
    """Return the input that a table is a cast of, or an empty name."""
    while value is not None and (node := value.producer()) is not None:
        value = node.inputs[0] if node.op_type in ("Cast", "Identity") else None
    return str(value.name) if value is not None and value in model.graph.inputs else ""
