"""Lower Resize: say nearest sampling by whole factors in the one way that a toolchain names.

What: Resize(nearest, asymmetric, floor)  ->  Resize(nearest, half_pixel, round_prefer_ceil).
Why it is sound: output pixel k * s + r of factor s, with 0 <= r < s, lies at k + (r + 0.5) / s - 0.5 in half pixels,
    strictly within half a pixel of k: whatever the rounding, it takes pixel k, as floor((k * s + r) / s) does.
Needs: shapes of numbers.
Declines when: a size is no multiple; the original rounds asymmetric places in another way than down.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import Note, node_name

NAME = "lower_resize"
_WANTED = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
_DEFAULTS = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}


def lower_resize(model: ir.Model) -> list[Note]:
    """Write every nearest Resize by whole factors with half pixels and rounding up, in place."""
    notes = []
    for node in model.graph:
        if (
            node.op_type != "Resize"
            or node.domain not in STANDARD
            or _text(node, "mode", "nearest") != "nearest"
        ):
            continue
        if all(_text(node, name, _DEFAULTS[name]) == value for name, value in _WANTED.items()):
            continue
        why = _obstacle(node)
        if why:
            notes.append(Note(NAME, "declined", node_name(node), why))
            continue
        for name, value in _WANTED.items():
            node.attributes[name] = ir.AttrString(name, value)
        notes.append(Note(NAME, "applied", node_name(node), "nearest by whole factors, rounded up"))
    return notes


def _obstacle(node: ir.Node) -> str:
    """Return why a node must stay as it is; empty if nothing stands against it."""
    source, result = node.inputs[0], node.outputs[0]
    if source is None or not is_static(source) or not is_static(result):
        return "its shapes are not known"
    if any(after % before for before, after in zip(dims(source), dims(result), strict=True)):
        return f"{list(dims(result))} is no multiple of {list(dims(source))}"
    places = _text(node, "coordinate_transformation_mode", "half_pixel")
    rounding = _text(node, "nearest_mode", "round_prefer_floor")
    if (places == "half_pixel" and rounding.startswith("round")) or (places, rounding) == (
        "asymmetric",
        "floor",
    ):
        return ""
    return f"places are {places}, rounded by {rounding}"


def _text(node: ir.Node, name: str, default: str) -> str:
    attribute = node.attributes.get(name)
    return default if attribute is None else str(attribute.as_string())
