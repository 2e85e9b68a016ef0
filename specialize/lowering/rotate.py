"""Rotations: a map turned by one angle about a fixed point, to and from the operator that toolchains have for it.

What: GridSample at places that are affine in the cosine and the sine of one angle  <->
    RotateTRT(image, angle, center).
Why it is sound: every node from cosine and sine to the grid is linear in them, so three evaluations tell the whole
    grid; it must be that of a rotation at every pixel, within the rounding of float32. `read_rotations` writes out
    what the operator is defined by.
Needs: fold, so that centers are constants; static shapes; opset 16 for what is read.
Declines when: the places depend on anything else, such as a center that is computed; they are no rotation, or those
    of an image of another size; the border is not zeros; the nearest pixels are read at places that are rounded
    otherwise than by the definition, so that nothing could be proven.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.custom import ROTATE, ROTATIONS
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.rewrite import Outcome, Rewritten, Rule
from specialize.graph.shapes import dims, is_static
from specialize.graph.snippets import plus, scaled, times
from specialize.lowering.rotation_match import MODES, Rotation, find_rotation, mode_of
from specialize.lowering.sampling import linear

NAME = "lower_rotate"
NEAREST = MODES["nearest"]
DEGREES = 180.0 / math.pi


def _turned(node: ir.Node, builder: Builder) -> Outcome:
    found = find_rotation(node)
    if found is None or isinstance(found, Declined):
        return found
    x, y = found.center
    return Rewritten([f"written as {ROTATE}, about ({x:g}, {y:g}) px"], [_written(node, found, builder)])


def _written(node: ir.Node, rotation: Rotation, builder: Builder) -> ir.Value:
    """Return the image turned by the operator, which reads (C, H, W), (1,) and (2,), all of one type."""
    batch, channels, height, width = dims(rotation.image)
    angle, factor = builder.reshape(rotation.angle, (1,)), rotation.factor * DEGREES
    if abs(abs(factor) - 1.0) <= 4 * np.finfo(np.float32).eps:  # the angle is in degrees already
        angle = angle if factor > 0 else builder.node("Neg", [angle], (1,))
    else:
        angle = scaled(builder, angle, factor, 0.0)
    image = builder.reshape(rotation.image, (batch * channels, height, width))
    center = builder.constant(np.array(rotation.center, np.float32), "center")
    made = builder.node(ROTATE, [image, angle, center], dims(image), interpolation=MODES[mode_of(node)])
    return builder.reshape(made, dims(rotation.image))


def _sampled(node: ir.Node, builder: Builder) -> Outcome:
    if (node.domain, node.op_type) not in ROTATIONS:
        return None
    made = _read(node, builder)
    return made if isinstance(made, Declined) else Rewritten([f"{node.op_type} read as GridSample"], [made])


def _read(node: ir.Node, builder: Builder) -> ir.Value | Declined:
    """Return an image (C, H, W) turned by an angle in degrees about a center in px, zero where nothing comes from.

    Place by place as the detectors of the zoo compute it, so that what ties between two cells ties here too.
    """
    image, angle, center = node.inputs[:3]
    known = array_of(center)
    if image is None or angle is None or known is None or known.size != 2 or not is_static(image):
        return Declined("center-not-constant", "its center is not constant, or its shape not static")
    channels, height, width = dims(image)
    turn = scaled(builder, builder.reshape(angle, (1, 1, 1, 1)), math.pi / 180, 0.0)
    cosine, sine = (builder.node(operator, [turn], (1, 1, 1, 1)) for operator in ("Cos", "Sin"))
    middle_x, middle_y = (float(at) - 0.5 for at in known.ravel())  # of pixel indices
    across = builder.constant((np.arange(width, dtype=np.float32) - middle_x).reshape(1, 1, -1, 1), "across")
    down = builder.constant((np.arange(height, dtype=np.float32) - middle_y).reshape(1, -1, 1, 1), "down")
    x = scaled(builder, times(builder, cosine, across), 1.0, middle_x)
    y = scaled(builder, times(builder, sine, across), 1.0, middle_y)
    whole = (1, height, width, 1)
    x = builder.node("Sub", [x, times(builder, sine, down)], whole)
    y = plus(builder, y, times(builder, cosine, down))
    grid = builder.node(
        "Concat",
        [_from_indices(builder, x, width), _from_indices(builder, y, height)],
        (1, height, width, 2),
        axis=3,
    )
    nearest = "interpolation" in node.attributes and node.attributes["interpolation"].as_int() == NEAREST
    mode = "nearest" if nearest else linear(builder.graph.opset_imports.get("", 0))
    read = builder.node(
        "GridSample", [builder.reshape(image, (1, channels, height, width)), grid], (1, channels, height, width),
        mode=mode, padding_mode="zeros", align_corners=0,
    )  # fmt: skip
    return builder.reshape(read, (channels, height, width))


def _from_indices(builder: Builder, places: ir.Value, size: int) -> ir.Value:
    """Return GridSample's coordinates, (2 p + 1) / size - 1, of places among `size` pixels."""
    doubled = scaled(builder, places, 2.0, 1.0)
    parts = builder.constant(np.array(size, np.float32), "size")
    return scaled(builder, builder.node("Div", [doubled, parts], dims(doubled)), 1.0, -1.0)


TURNED_MAPS = Rule(name=NAME, operators={"GridSample"}, rewrite=_turned, title=ROTATE)
"""Every GridSample that turns a map is written as the operator."""

READ_ROTATIONS = Rule(
    name=NAME,
    operators={operator for _, operator in ROTATIONS},
    domains={domain for domain, _ in ROTATIONS},
    rewrite=_sampled,
    title="{operator}",
    leaves=lambda node: (node.domain, node.op_type) in ROTATIONS,
)
"""Every rotation of a vendor is written with GridSample."""
