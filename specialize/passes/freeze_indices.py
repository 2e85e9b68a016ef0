"""Freeze indices: places that a mask decides at run time become the places of the superset.

What: NonZero of the mask, and what is counted and placed by it  ->  the same of the superset E, as constants.
Why it is sound: rows that are not visible today are computed as well, and a gate keeps them from being summed.
Needs: the chosen masks and E.
Declines when: never; without such places nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.closure import Closure
from specialize.graph.dependents import dependents
from specialize.graph.notes import Note, node_name
from specialize.graph.ops import PLACES
from specialize.graph.provenance import mark
from specialize.graph.shapes import dims, numpy_type
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
    """
    decided = dependents(closure.nodes, [mask.value for mask in masks])
    wanted: dict[ir.Value, list[tuple[ir.Node, int]]] = {}
    for node in model.graph:
        for place in PLACES.get(node.op_type, ()):
            value = node.inputs[place] if place < len(node.inputs) else None
            if value is not None and value in decided:
                wanted.setdefault(value, []).append((node, place))
    given = {mask.value: _content(mask, supersets[mask.grid]) for mask in masks}
    notes = []
    for value, array in closure.compute(wanted, arrays, given).items():
        for node, place in wanted[value]:
            builder = Builder(
                model.graph, node, f"specialize/{NAME}/{node_name(node)}/{place}", {PASS_KEY: NAME}
            )
            node.replace_input_with(place, mark(builder.constant(array, "places")))
        notes.append(Note(NAME, "applied", str(value.name), f"{array.size} numbers that the mask decided"))
    return notes


def _content(mask: Mask, pairs: Bools) -> np.ndarray:
    """Return what a mask is if every pair of the superset is visible."""
    full = np.broadcast_to(mask.spread(pairs), dims(mask.value))
    return np.ascontiguousarray(full.astype(numpy_type(mask.value)))
