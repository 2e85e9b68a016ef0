"""Find deformable attention written with GridSample, whatever the exporter's spelling.

A *part* is a sum over points of sampled values times weights; it reads one level, or several that were stacked. A
*site* is one part, or the sum of several parts, one per level. Every step is judged by which element goes where
(`View`), so that view, permute, stack, flatten, squeeze and their orders do not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.nodes import reduced_axes
from specialize.graph.ops import integer, text
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.graph.views import Axis, Factor, View, climb, descend

BATCH, CHANNEL, PLACE, LEVEL = range(4)
"""What a factor of a sampled tensor counts: B', d, the places of the grid, or stacked levels."""

ADDED = frozenset({"Add", "Sum"})


@dataclass(frozen=True, slots=True)
class Part:
    """A sum over points: GridSample of each level [B', d, ...], times weights, summed.

    Attributes:
        node: The node that sums.
        samples: One GridSample per level.
        queries: Factors of the grid's places that are queries, outermost first.
        points: Those that are points.
        weight: The factor of the product that is not sampled.
        moves: From what is summed up to the product.
        by_role: Axes of what is summed, one per factor, in the order batch, queries, level, points.
        spread: Sizes of those axes, one per factor.
        result: Order of batch, channel and query factors in the result, and their sizes.
    """

    node: ir.Node
    samples: tuple[ir.Node, ...]
    queries: Axis
    points: Axis
    weight: ir.Value
    moves: tuple[ir.Value, ...]
    spread: tuple[int, ...]
    by_role: tuple[int, ...]
    result: tuple[tuple[int, int, int], ...]

    @property
    def batch(self) -> int:
        """Batch of the sampled images: batch items times heads."""
        return dims(self.samples[0].outputs[0])[0]

    @property
    def channels(self) -> int:
        """Channels of the sampled images: those of one head."""
        return dims(self.samples[0].outputs[0])[1]


@dataclass(frozen=True, slots=True)
class Site:
    """A deformable attention: its parts, and the value that is their sum."""

    output: ir.Value
    parts: tuple[Part, ...]


def find_sites(graph: ir.Graph) -> tuple[list[Site], list[tuple[ir.Node, Declined]]]:
    """Return the sites of a graph, and the GridSamples that belong to none, each with the reason."""
    sites: dict[ir.Value, Site] = {}
    reasons: dict[ir.Node, Declined] = {}
    for node in graph:
        if node.domain not in STANDARD:
            continue
        if node.op_type == "ReduceSum":
            part = read_part(node)
            if isinstance(part, Part):
                sites[node.outputs[0]] = Site(node.outputs[0], (part,))
            elif part is not None:
                reasons |= dict.fromkeys(part[0], part[1])
        elif node.op_type in ADDED:
            _join(node, sites)
    found = list(sites.values())
    used = {sample for site in found for part in site.parts for sample in part.samples}
    rest = [node for node in graph if node.op_type == "GridSample" and node not in used]
    unsummed = Declined("no-weighted-sum", "no weighted sum over points")
    return found, [(node, sampling_fault(node) or reasons.get(node, unsummed)) for node in rest]


def sampling_fault(node: ir.Node) -> Declined | None:
    """Return why a GridSample is not the one of deformable attention; None if it is."""
    mode = text(node, "mode")
    border = text(node, "padding_mode")
    aligned = integer(node, "align_corners")
    if mode not in ("bilinear", "linear"):
        return Declined("mode", f"it samples in mode {mode}, which selects or smooths but does not attend")
    if border != "zeros":
        return Declined("border", f"it pads with {border} instead of zeros")
    if aligned:
        return Declined("corners-aligned", "its corners are aligned")
    if not all(value is not None and is_static(value) for value in (*node.inputs[:2], node.outputs[0])):
        return Declined("shape-unknown", "its shape is not static")
    return None if len(dims(node.outputs[0])) == 4 else Declined("volumes", "it samples volumes")


def read_part(node: ir.Node) -> Part | tuple[list[ir.Node], Declined] | None:
    """Return the part that a sum is; or its GridSamples and why it is none; or None if it has no GridSample."""
    if node.inputs[0] is None or not is_static(node.inputs[0]):
        return None
    path = climb(node.inputs[0])
    product = path[-1].producer()
    if product is None or product.op_type != "Mul":
        return None
    for place in (0, 1):
        read, weight = product.inputs[place], product.inputs[1 - place]
        if read is None or weight is None or not is_static(read) or not is_static(weight):
            continue
        stack = _stack(read)
        if stack is not None:
            samples, view = stack
            made = _part(node, samples, view, path, weight)
            if dims(read) != dims(path[-1]):
                made = Declined("wide-weights", "the weights are wider than what is sampled")
            return made if isinstance(made, Part) else (samples, made)
    return None


def _stack(read: ir.Value) -> tuple[list[ir.Node], View] | None:
    """Return the GridSamples that a tensor consists of, and the view that it is of them one after the other."""
    path = climb(read)
    top = path[-1].producer()
    if top is not None and top.op_type == "GridSample":
        view = descend(path, View.natural(dims(path[-1])))
        return None if view is None else ([top], view)
    if top is None or top.op_type != "Concat":
        return None
    samples: list[ir.Node] = []
    views: set[View] = set()
    for value in top.inputs:
        inner = climb(value) if value is not None else []
        sample = inner[-1].producer() if inner else None
        if sample is None or sample.op_type != "GridSample" or not is_static(inner[-1]):
            return None
        view = descend(inner, View.natural(dims(inner[-1])))
        if view is None:
            return None
        samples.append(sample)
        views.add(view)
    if len(views) != 1 or len({dims(sample.outputs[0]) for sample in samples}) != 1:
        return None
    one = views.pop()
    axis = top.attributes["axis"].as_int() % len(one.axes)
    size = math.prod(dims(samples[0].outputs[0]))
    levels = ((len(samples), size),) if len(samples) > 1 else ()
    stacked = View(one.offset, (*one.axes[:axis], (*levels, *one.axes[axis]), *one.axes[axis + 1 :]))
    found = descend(path, stacked)
    return None if found is None else (samples, found)


def _part(
    node: ir.Node, samples: list[ir.Node], view: View, path: list[ir.Value], weight: ir.Value
) -> Part | Declined:
    fault = next((fault for fault in map(sampling_fault, samples) if fault is not None), None)
    if fault is not None:
        return fault
    where = reduced_axes(node)
    if where is None:
        return Declined("axes-not-constant", "the axes of the sum are not constant")
    summed_view = descend(path, view)
    if summed_view is None:
        return Declined("part-only", "what is sampled is used in part only")
    view = summed_view
    batch, channels, height, width = dims(samples[0].outputs[0])
    places = height * width
    roles = ((1, PLACE), (places, CHANNEL), (channels * places, BATCH), (batch * channels * places, LEVEL))
    axes = [_by_role(axis, roles) for axis in view.axes]
    flat = [(place, *factor) for place, axis in enumerate(axes) if axis is not None for factor in axis]
    if (
        any(axis is None for axis in axes)
        or view.offset
        or not _is_whole(flat, len(samples) * batch * channels * places)
    ):
        return Declined(
            "part-only", "what is sampled is used in part only, or levels, heads and points are mixed"
        )
    summed = [factor for factor in flat if factor[0] in where]
    kept = [factor for factor in flat if factor[0] not in where]
    if any(role in (BATCH, CHANNEL) for _, role, _, _ in summed) or any(
        role == LEVEL for _, role, _, _ in kept
    ):
        return Declined("sum-over-others", "the sum is not over points and levels alone")
    order = sorted(range(len(flat)), key=lambda index: _weight_key(flat[index], where))
    return Part(
        node, tuple(samples),
        queries=_ordered(kept, PLACE), points=_ordered(summed, PLACE), weight=weight, moves=tuple(path),
        spread=tuple(size for _, _, size, _ in flat),
        by_role=tuple(index for index in order if flat[index][1] != CHANNEL),
        result=tuple((role, size, stride) for _, role, size, stride in kept),
    )  # fmt: skip


def _by_role(axis: Axis, roles: tuple[tuple[int, int], ...]) -> list[tuple[int, int, int]] | None:
    """Return (role, size, stride) of every factor of an axis, cut where roles meet; None if one cannot be cut."""
    found = []
    for size, stride in axis:
        for start, role in reversed(roles):
            if size > 1 and start < stride * size:
                low = max(start, stride)
                if stride * size % low or low % stride:
                    return None
                found.append((role, stride * size // low, low))
                size = low // stride
        if size != 1 or stride == 0:
            return None
    return found


def _is_whole(flat: list[tuple[int, int, int, int]], total: int) -> bool:
    """Return whether the factors count through every element once."""
    expected = 1
    for _, _, size, stride in sorted(flat, key=lambda factor: factor[3]):
        if stride != expected:
            return False
        expected *= size
    return expected == total


def _weight_key(factor: tuple[int, int, int, int], where: list[int]) -> tuple[int, int]:
    axis, role, _, stride = factor
    rank = {BATCH: 0, LEVEL: 2, CHANNEL: 4}.get(role, 3 if axis in where else 1)
    return rank, -stride


def _ordered(flat: list[tuple[int, int, int, int]], role: int) -> Axis:
    chosen = [Factor(size, stride) for _, one, size, stride in flat if one == role]
    return tuple(sorted(chosen, key=lambda factor: -factor.stride))


def _join(node: ir.Node, sites: dict[ir.Value, Site]) -> None:
    """Make one site of those that a node adds, if they are the levels of one attention."""
    found = [sites.get(value) for value in node.inputs if value is not None]
    joined = [site for site in found if site is not None]
    if len(joined) != len(node.inputs) or len(joined) < 2 or len(set(map(id, joined))) != len(joined):
        return
    if any(len(site.output.uses()) != 1 or site.output.is_graph_output() for site in joined):
        return
    parts = tuple(part for site in joined for part in site.parts)
    if len({_kind(part) for part in parts}) != 1 or len({_top(part) for part in parts}) != 1:
        return
    for site in joined:
        del sites[site.output]
    sites[node.outputs[0]] = Site(node.outputs[0], parts)


def _kind(part: Part) -> tuple[object, ...]:
    """Return what the levels of one attention have in common."""
    points = math.prod(size for size, _ in part.points)
    queries = math.prod(size for size, _ in part.queries)
    order = tuple((role, size) for role, size, _ in part.result)
    return part.batch, part.channels, queries, points, order, dims(part.node.outputs[0])


def _top(part: Part) -> ir.Value:
    """Return what the weights of a part are taken from."""
    return climb(part.weight)[-1]
