"""Rotation match: which GridSamples turn a map, read from the grid by algebra.

A grid is followed up to the cosine and the sine of one angle. Only nodes that are linear in what depends on them may
stand between, so that grid = A + cos B + sin C with constant A, B, C, whatever the exporter and folding made of it.
Three evaluations give them, and they must be those of a rotation at every pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.knowledge import Knowledge
from specialize.graph.nodes import array_of
from specialize.graph.ops import OPERATORS, VIEWS, Affine, integer, text
from specialize.graph.shapes import STANDARD, dims, is_static, numpy_type

ROUNDINGS = 8
"""Roundings of float32, of the largest number in px, by which places may differ from those of a rotation."""

FRACTIONS = 256
"""Centers that are a multiple of a px by this number, within rounding, are taken to be that."""

TURNS = 8
"""Angles at which two ways to compute places are compared bit by bit."""

MODES = {"bilinear": 0, "linear": 0, "nearest": 1}
"""RotateTRT's numbers for what GridSample calls its modes; the first has two names, by opset."""

WAVES = frozenset({"Cos", "Sin"})

Places = npt.NDArray[np.float64]
Angle = tuple[ir.Value, float]
Linear = Callable[[ir.Node, list[int]], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """What a GridSample turns, by what, about what.

    Attributes:
        image: (N, C, H, W).
        angle: One number.
        factor: What makes radians of it, so that the pixel that is (x, y) from the center reads what is
            (x cos - y sin, x sin + y cos) from it.
        center: Along x and y, px; the middle of the first pixel is at 0.5.
    """

    image: ir.Value
    angle: ir.Value
    factor: float
    center: tuple[float, float]


def _anywhere(node: ir.Node, places: list[int]) -> bool:
    return True


def _at_the_first(node: ir.Node, places: list[int]) -> bool:
    return places == [0]


def _at_one(node: ir.Node, places: list[int]) -> bool:
    return len(places) == 1


def _not_at_both(node: ir.Node, places: list[int]) -> bool:
    return not {0, 1} <= set(places)


def _written_into(node: ir.Node, places: list[int]) -> bool:
    return text(node, "reduction") == "none" and 1 not in places


def _chosen(node: ir.Node, places: list[int]) -> bool:
    return 0 not in places


def _in_floats(node: ir.Node, places: list[int]) -> bool:
    return ir.DataType(node.attributes["to"].as_int()) in (ir.DataType.FLOAT, ir.DataType.DOUBLE)


_RULES: dict[Affine, Linear] = {
    "all": _anywhere, "first": _at_the_first, "one": _at_one, "one-side": _not_at_both, "written": _written_into,
    "chosen": _chosen, "float": _in_floats,
}  # fmt: skip

LINEAR = {name: _RULES[operator.affine] for name, operator in OPERATORS.items() if operator.affine in _RULES}
"""Operators that are affine in what depends on the angle, if that comes in at the places that the rule allows."""


def find_rotation(node: ir.Node) -> Rotation | Declined | None:
    """Return what a GridSample turns, why that cannot be told, or None if no cosine and sine decide where it reads."""
    image, grid = node.inputs[:2]
    if image is None or grid is None or not is_static(image) or not is_static(grid) or len(dims(image)) != 4:
        return None
    waves, strangers = _above(grid)
    if not waves:
        return None
    if strangers:
        return Declined("not-one-angle", f"where it reads depends on {strangers[0]}, not on one angle alone")
    angle = _angle(waves)
    if isinstance(angle, Declined):
        return angle
    fault = _unsaid(node, image, grid, angle[0])
    if fault is not None:
        return fault
    aligned = integer(node, "align_corners") == 1
    found = _solved(_in_pixels(_parts(node, grid, waves), (dims(image)[3], dims(image)[2]), aligned))
    if isinstance(found, Declined):
        return found
    rotation = Rotation(image, angle[0], angle[1] * found[0], found[1])
    if mode_of(node) == "nearest" and not _rounds_alike(node, grid, waves, rotation):
        return Declined(
            "rounds-otherwise",
            "it reads nearest pixels, but rounds positions differently from the operator's definition",
        )
    return rotation


def mode_of(node: ir.Node) -> str:
    """Return how a GridSample reads between pixels."""
    return text(node, "mode")


def _above(grid: ir.Value) -> tuple[list[ir.Node], list[str]]:
    """Return the cosines and sines above the linear nodes above a grid, and names of whatever else is there."""
    seen: set[ir.Value] = set()
    waves: dict[ir.Node, None] = {}
    strangers: dict[str, None] = {}
    stack = [grid]
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        node = value.producer()
        places = [] if node is None else [i for i, read in enumerate(node.inputs) if _is_computed(read)]
        if node is None or node.domain not in STANDARD:
            strangers[str(value.name)] = None
        elif node.op_type in WAVES:
            waves[node] = None
        elif node.op_type in LINEAR and places and LINEAR[node.op_type](node, places):
            stack.extend(read for place in places if (read := node.inputs[place]) is not None)
        else:
            strangers[str(value.name)] = None
    return list(waves), list(strangers)


def _is_computed(value: ir.Value | None) -> bool:
    return value is not None and value.const_value is None


def _angle(waves: list[ir.Node]) -> Angle | Declined:
    """Return the one number that all cosines and sines are of, and the positive factor, or why there is none."""
    found = [_peeled(wave) for wave in waves]
    angle, factor = found[0][0], abs(found[0][1])
    if any(other is not angle or abs(times) != factor for other, times in found):
        return Declined("not-one-angle", "its cosines and sines are not of one angle")
    if not is_static(angle) or int(np.prod(dims(angle))) != 1:
        return Declined("not-one-angle", f"{angle.name} is not one angle")
    return angle, factor


def _peeled(wave: ir.Node) -> Angle:
    """Return what a cosine or sine is of, without known factors, and their product."""
    value, factor = wave.inputs[0], 1.0
    assert value is not None
    while (node := value.producer()) is not None and node.domain in STANDARD:
        places = [place for place, read in enumerate(node.inputs) if _is_computed(read)]
        known = [array_of(read) for read in node.inputs if read is not None and not _is_computed(read)]
        if len(places) != 1:
            break
        number = float(known[0].ravel()[0]) if known and known[0] is not None and known[0].size == 1 else 0.0
        if node.op_type == "Neg":
            factor = -factor
        elif node.op_type == "Mul" and number:
            factor *= number
        elif node.op_type == "Div" and places == [0] and number:
            factor /= number
        elif node.op_type not in VIEWS:
            break
        read = node.inputs[places[0]]
        assert read is not None
        value = read
    return value, factor


def _unsaid(node: ir.Node, image: ir.Value, grid: ir.Value, angle: ir.Value) -> Declined | None:
    """Return what of a GridSample the operator cannot say; None if it says all."""
    (height, width), (rows, columns) = dims(image)[2:], dims(grid)[1:3]
    if (rows, columns) != (height, width):
        return Declined("other-size", f"its result is {rows} x {columns} px and its image {height} x {width}")
    if any(value.dtype != ir.DataType.FLOAT for value in (image, grid, angle)):
        return Declined("not-float32", "it is not in float32")
    border = text(node, "padding_mode")
    if border != "zeros":
        return Declined("border", f"its border is {border}, not zeros")
    return None if mode_of(node) in MODES else Declined("mode", f"its mode is {mode_of(node)}")


def _parts(node: ir.Node, grid: ir.Value, waves: list[ir.Node]) -> Places:
    """Return A, B and C of grid = A + cos B + sin C, (3, N, H, W, 2), by three evaluations of what is linear."""
    points = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    start, with_cosine, with_sine = (_at(node, grid, waves, *at).astype(np.float64) for at in points)
    return np.stack([start, with_cosine - start, with_sine - start])


def _at(
    node: ir.Node, grid: ir.Value, waves: list[ir.Node], cosine: float, sine: float
) -> npt.NDArray[np.generic]:
    """Return the grid for a cosine and a sine of the angle times its positive factor."""
    assert node.graph is not None
    knowledge = Knowledge(dict(node.graph.opset_imports), ir_version=8)
    for wave in waves:
        number = cosine if wave.op_type == "Cos" else sine * np.sign(_peeled(wave)[1])
        result = wave.outputs[0]
        knowledge.learn(result, np.full(dims(result), number, numpy_type(result)))
    for other in node.graph:
        if other not in waves:
            knowledge.defer(other)
    knowledge.compute([grid])
    return knowledge.peek(grid)


def _rounds_alike(node: ir.Node, grid: ir.Value, waves: list[ir.Node], rotation: Rotation) -> bool:
    """Return whether the places are those of the operator's definition to the last bit.

    Else what lies half way between two pixels, within rounding, could not be compared with the original.
    """
    if abs(rotation.factor) != float(np.float32(np.pi / 180)):
        return False
    for turn in np.linspace(0.1, 6.2, TURNS):
        cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        wanted = defined_grid(rotation, cosine, sine * np.float32(np.sign(rotation.factor)))
        if (_at(node, grid, waves, float(cosine), float(sine)) != wanted).any():
            return False
    return True


def defined_grid(rotation: Rotation, cosine: np.float32, sine: np.float32) -> npt.NDArray[np.float32]:
    """Return the grid, (1, H, W, 2), of what `lower_rotate` reads the operator as, step by step in float32."""
    height, width = dims(rotation.image)[2:]
    x0, y0 = (np.float32(at - 0.5) for at in rotation.center)
    across = np.arange(width, dtype=np.float32) - x0
    down = np.arange(height, dtype=np.float32)[:, None] - y0
    x, y = cosine * across + x0 - sine * down, sine * across + y0 + cosine * down
    one, two = np.float32(1.0), np.float32(2.0)
    return np.stack(
        [(x * two + one) / np.float32(width) - one, (y * two + one) / np.float32(height) - one], -1
    )[None]


def _in_pixels(parts: Places, size: tuple[int, int], aligned: bool) -> Places:
    """Return parts of a grid, (3, N, H, W, 2), as parts of indices of pixels; sizes of the image along x and y."""
    extent = np.array(size, np.float64) - aligned
    found = parts * extent / 2
    found[0] += (np.array(size) - 1) / 2  # where a grid of zeros reads, aligned or not
    return found


def _solved(parts: Places) -> tuple[float, tuple[float, float]] | Declined:
    """Return direction, 1 or -1, and center in px of a rotation with these parts, or why it is none."""
    height, width = parts.shape[2:4]
    rounding = ROUNDINGS * np.finfo(np.float32).eps * max(height, width, float(np.abs(parts).max()))
    middle = parts[0, 0, 0, 0]
    if (np.abs(parts[0] - middle) > rounding).any():
        return Declined("no-center", "it has no fixed center")
    simple = np.round(middle * FRACTIONS) / FRACTIONS
    middle = np.where(np.abs(simple - middle) <= rounding, simple, middle)
    x, y = np.meshgrid(np.arange(width) - middle[0], np.arange(height) - middle[1])  # (H, W)
    direction = -1.0 if (parts[2, 0, :, :, 1] * x).sum() < 0 else 1.0
    turned = np.stack([np.stack([x, y], -1), direction * np.stack([-y, x], -1)])[:, None]  # (2, 1, H, W, 2)
    off = float(np.abs(parts[1:] - turned).max())
    if off > rounding:
        return Declined(
            "no-rotation",
            f"it is not a rotation about ({middle[0] + 0.5:g}, {middle[1] + 0.5:g}) px: a factor is {off:.2g} px off",
        )
    return direction, (float(middle[0]) + 0.5, float(middle[1]) + 0.5)
