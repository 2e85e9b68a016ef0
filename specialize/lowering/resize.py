"""Lower Resize: say nearest sampling by whole factors in the one way that a toolchain names.

What: Resize(nearest, asymmetric, floor)  ->  Resize(nearest, half_pixel, round_prefer_ceil).
Why it is sound: output pixel k * s + r of factor s, with 0 <= r < s, lies at k + (r + 0.5) / s - 0.5 in half pixels,
    strictly within half a pixel of k: whatever the rounding, it takes pixel k, as floor((k * s + r) / s) does.
Needs: shapes of numbers.
Declines when: a size is no multiple; the original rounds asymmetric places in another way than down.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.ops import text
from specialize.graph.rewrite import Outcome, Rewritten, Rule
from specialize.graph.shapes import dims, is_static

NAME = "lower_resize"
_WANTED = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}


def _in_half_pixels(node: ir.Node, builder: Builder) -> Outcome:
    if text(node, "mode") != "nearest" or all(text(node, name) == value for name, value in _WANTED.items()):
        return None
    obstacle = _obstacle(node)
    if obstacle is not None:
        return obstacle
    for name, value in _WANTED.items():
        node.attributes[name] = ir.AttrString(name, value)
    return Rewritten(["nearest by whole factors, rounded up"])


def _obstacle(node: ir.Node) -> Declined | None:
    """Return why a node must stay as it is; None if nothing stands against it."""
    source, result = node.inputs[0], node.outputs[0]
    if source is None or not is_static(source) or not is_static(result):
        return Declined("shape-unknown", "its shapes are not known")
    if any(after % before for before, after in zip(dims(source), dims(result), strict=True)):
        return Declined("no-whole-factor", f"{list(dims(result))} is not a multiple of {list(dims(source))}")
    places, rounding = text(node, "coordinate_transformation_mode"), text(node, "nearest_mode")
    halves = places == "half_pixel" and rounding.startswith("round")
    if halves or (places, rounding) == ("asymmetric", "floor"):
        return None
    return Declined("rounds-otherwise", f"places are computed as {places} and rounded by {rounding}")


HALF_PIXELS = Rule(name=NAME, operators={"Resize"}, rewrite=_in_half_pixels)
"""Every nearest Resize by whole factors is written with half pixels and rounding up."""
