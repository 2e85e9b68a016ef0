"""Freeze indices: places that a mask decides at run time become the places of the superset.

What: NonZero of the mask, and what is counted and placed by it  ->  the same of the superset E, as constants.
Why it is sound: rows that are not visible today are computed as well, and a gate keeps them from being summed.
Needs: the chosen masks and E.
Declines when: some places are those of single anchors of a query; the gate is that of any. Without places nothing is
    done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from specialize.errors import DeclinedError
from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.closure import Closure
from specialize.graph.dependents import dependents
from specialize.graph.notes import Note, node_name
from specialize.graph.ops import PLACES
from specialize.graph.provenance import mark
from specialize.graph.shapes import numpy_type
from specialize.passes.masks import Bools, Mask

NAME = "pinned"


def pin(
    model: ir.Model,
    closure: Closure,
    masks: Sequence[Mask],
    supersets: Sequence[Bools],
    arrays: Mapping[str, np.ndarray],
) -> list[Note]:
    """Replace places that depend on masks by those of the supersets, in place.

    Args:
        model: The graph.
        closure: What it computes from the calibration alone.
        masks: The masks that decide.
        supersets: E, one (N, Q) per grid.
        arrays: The calibration inputs; which calibration does not matter.

    Raises:
        DeclinedError: Some anchors of a query have places of their own.
    """
    decided = dependents(closure.nodes, [mask.value for mask in masks])
    wanted: dict[ir.Value, list[tuple[ir.Node, int]]] = {}
    for node in model.graph:
        for place in PLACES.get(node.op_type, ()):
            value = node.inputs[place] if place < len(node.inputs) else None
            if value is not None and value in decided:
                wanted.setdefault(value, []).append((node, place))
    given = {mask.value: _content(mask, supersets[mask.grid]) for mask in masks}
    places = closure.compute(wanted, arrays, given)
    for mask in masks:
        for anchor in range(mask.sizes[2] if places and not mask.is_plain else 0):
            fewer = {**given, mask.value: _content(mask, supersets[mask.grid], anchor)}
            _require_equal(places, closure.compute(wanted, arrays, fewer))
    notes = []
    for value, array in places.items():
        for node, place in wanted[value]:
            builder = Builder(
                model.graph, node, f"specialize/{NAME}/{node_name(node)}/{place}", {PASS_KEY: NAME}
            )
            node.replace_input_with(place, mark(builder.constant(array, "places")))
        notes.append(Note(NAME, "applied", str(value.name), f"{array.size} numbers that the mask decided"))
    return notes


def _require_equal(places: Mapping[ir.Value, np.ndarray], fewer: Mapping[ir.Value, np.ndarray]) -> None:
    """Require that a query whose anchors are not all visible has the places of one whose anchors are."""
    for value, array in places.items():
        if not np.array_equal(array, fewer[value]):
            raise DeclinedError(
                "--mode envelope",
                "rows of queries of which any anchor is visible",
                f"rows of single anchors ({value.name})",
                "use --mode exact or tables, or export the model zero-padded, with masks in the place of indices",
            )


def _content(mask: Mask, pairs: Bools, without: int | None = None) -> np.ndarray:
    """Return what a mask is if every pair of the superset is visible.

    Args:
        mask: The mask.
        pairs: E.
        without: Number of an anchor that is not visible of the last query of every camera that sees more.
    """
    elements = np.repeat(pairs[:, :, None], mask.sizes[2], axis=2)
    for camera in np.flatnonzero(pairs.sum(axis=1) > 1) if without is not None else ():
        elements[camera, np.flatnonzero(pairs[camera])[-1], without] = False
    return np.ascontiguousarray(mask.cube(elements).astype(numpy_type(mask.value)))
