"""Inputs of a site: find the tensors that its images, grids and weights are cut from, if those are the operator's own.

If the images of all levels are views of one tensor that has the operator's order of elements, that tensor is the
value, and the operators that cut it up are not needed any more; so it is for locations, which grids are 2 x - 1 of,
and for weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from specialize.attention.match import Part, Site
from specialize.attention.operator import Sizes
from specialize.graph.nodes import array_of
from specialize.graph.shapes import STANDARD, dims
from specialize.graph.views import MOVES, Factor, View, climb, descend, moved


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a site, by its part and its number there."""

    part: Part
    sample: ir.Node
    image: ir.Value
    grid: ir.Value


@dataclass(frozen=True, slots=True)
class Peeled:
    """A tensor that is an input of the operator, or holds it: `count` units of `unit` elements, from `start` on."""

    value: ir.Value
    start: int
    count: int
    unit: int


def peeled_value(levels: Sequence[Level], sizes: Sizes) -> Peeled | None:
    """Return the tensor of all maps, [N, S, M, d], that the images are views of."""
    width = sizes.heads * sizes.channels

    def fits(number: int, view: View) -> bool:
        height, across = sizes.levels[number]
        have = view.reshape([sizes.batch, sizes.heads, sizes.channels, height * across])
        return have == _expected(
            sizes.starts[number] * width, (sizes.batch, sizes.places * width), (sizes.heads, sizes.channels),
            (sizes.channels, 1), (height * across, width),
        )  # fmt: skip

    return _common(
        [climb(level.image) for level in levels],
        math.prod(sizes.value),
        sizes.places * width,
        fits,
        descend,
    )


def peeled_locations(levels: Sequence[Level], sizes: Sizes) -> Peeled | None:
    """Return the tensor of all locations, [N, Q, M, L, P, 2], that the grids are 2 x - 1 of."""
    samples = len(sizes.levels) * sizes.points
    chains = [_climb_affine(level.grid) for level in levels]

    def fits(number: int, view: View) -> bool:
        ordered = ordered_grid(levels[number].part, view)
        have = (
            None
            if ordered is None
            else ordered.reshape([sizes.batch, sizes.heads, sizes.queries, sizes.points * 2])
        )
        return have == _expected(
            number * sizes.points * 2, (sizes.batch, sizes.queries * sizes.heads * samples * 2),
            (sizes.heads, samples * 2), (sizes.queries, sizes.heads * samples * 2), (sizes.points * 2, 1),
        )  # fmt: skip

    def usable(value: ir.Value) -> bool:
        return all((value, 2.0, -1.0) in chain for chain in chains)

    paths = [[value for value, _, _ in chain] for chain in chains]
    return _common(
        paths, math.prod(sizes.locations), _per_query(sizes, samples * 2), fits, _descend_affine, usable
    )


def peeled_weights(site: Site, sizes: Sizes) -> Peeled | None:
    """Return the tensor of all weights, [N, Q, M, L, P], that the factors of the products are views of."""
    samples = len(sizes.levels) * sizes.points
    starts = [sum(len(part.samples) for part in site.parts[:number]) for number in range(len(site.parts))]

    def fits(number: int, view: View) -> bool:
        part = site.parts[number]
        own = len(part.samples) * sizes.points
        cut = spread_weight(part, view)
        if cut is None:
            return False
        have = cut.reshape([sizes.batch, sizes.heads, sizes.queries, own])
        return have == _expected(
            starts[number] * sizes.points, (sizes.batch, sizes.queries * sizes.heads * samples),
            (sizes.heads, samples), (sizes.queries, sizes.heads * samples), (own, 1),
        )  # fmt: skip

    return _common(
        [climb(part.weight) for part in site.parts],
        math.prod(sizes.weights),
        _per_query(sizes, samples),
        fits,
        descend,
    )


def _per_query(sizes: Sizes, per_head: int) -> int:
    """Return how many elements belong together: those of a query, or of a batch item if there are several."""
    return sizes.heads * per_head * (sizes.queries if sizes.batch > 1 else 1)


def _expected(offset: int, *factors: tuple[int, int]) -> View:
    return View(offset, tuple((Factor(*factor),) if factor[0] > 1 else () for factor in factors))


def _common(
    paths: Sequence[list[ir.Value]],
    size: int,
    unit: int,
    fits: Callable[[int, View], bool],
    down: Callable[[Sequence[ir.Value], View], View | None],
    usable: Callable[[ir.Value], bool] = lambda value: True,
) -> Peeled | None:
    """Return the farthest value that all paths go through and whose views fit, all of it or a part of its units."""
    for value in reversed(paths[0]):
        total = math.prod(dims(value))
        if total < size or total % unit or not usable(value):
            continue
        if not all(value in path for path in paths):
            continue
        views = [down(path[: path.index(value) + 1], View.natural(dims(value))) for path in paths]
        known = [view for view in views if view is not None]
        if len(known) < len(views):
            continue
        start = known[0].offset
        if start < 0 or start % unit or start + size > total:
            continue
        if all(fits(number, View(view.offset - start, view.axes)) for number, view in enumerate(known)):
            return Peeled(value, start // unit, size // unit, unit)
    return None


def ordered_grid(part: Part, view: View) -> View | None:
    """Return a view of a grid as (batch, queries ..., points ..., 2)."""
    places = sorted((*part.queries, *part.points), key=lambda factor: -factor[1])
    cut = view.reshape([part.batch, *(size for size, _ in places), 2])
    return None if cut is None else cut.transpose(grid_order(part))


def grid_order(part: Part) -> list[int]:
    places = sorted((*part.queries, *part.points), key=lambda factor: -factor[1])
    return [0, *(1 + places.index(factor) for factor in (*part.queries, *part.points)), 1 + len(places)]


def _climb_affine(value: ir.Value) -> list[tuple[ir.Value, float, float]]:
    """Return a value and what it is a view of, with what it is multiplied by and increased by on the way."""
    path = [(value, 1.0, 0.0)]
    while True:
        current, scale, shift = path[-1]
        node = current.producer()
        if node is None or node.domain not in STANDARD:
            return path
        if node.op_type in MOVES:
            above = climb(current)[1:2]
            if not above:
                return path
            path.append((above[0], scale, shift))
            continue
        step = _scalar_step(node)
        if step is None:
            return path
        source, times, plus = step
        path.append((source, scale * times, shift + scale * plus))


def _scalar_step(node: ir.Node) -> tuple[ir.Value, float, float] | None:
    """Return x, a, b of a node that computes a x + b with known numbers."""
    if node.op_type not in ("Mul", "Add", "Sub", "Div") or len(node.inputs) != 2:
        return None
    left, right = node.inputs
    for source, other, flipped in ((left, right, False), (right, left, True)):
        known = array_of(other)
        if source is None or known is None or known.size == 0 or (known != known.flat[0]).any():
            continue
        if dims(source) != dims(node.outputs[0]):
            return None
        number = float(known.flat[0])
        if node.op_type == "Div":
            return None if flipped or number == 0 else (source, 1 / number, 0.0)
        if node.op_type == "Mul":
            return source, number, 0.0
        sign = -1.0 if node.op_type == "Sub" else 1.0
        return (source, sign, number) if flipped else (source, 1.0, sign * number)
    return None


def _descend_affine(path: Sequence[ir.Value], view: View) -> View | None:
    found: View | None = view
    for value in reversed(path[:-1]):
        node = value.producer()
        if found is None or node is None:
            return None
        found = moved(value, found) if node.op_type in MOVES else found
    return found


def spread_weight(part: Part, view: View) -> View | None:
    """Return weights as (batch, queries, levels, points) by factor, given what they are a view of; None if they differ
    between channels.
    """
    product = part.moves[-1]
    spread = view.expand(dims(product))
    moved_on = None if spread is None else descend(part.moves, spread)
    cut = None if moved_on is None else moved_on.reshape(part.spread)
    if cut is None:
        return None
    channels = [axis for place, axis in enumerate(cut.axes) if place not in part.by_role]
    if any(stride for axis in channels for _, stride in axis):
        return None
    return cut.transpose(part.by_role)
