"""Random graphs of operators that move, mask, mix and compute rows, for Hypothesis.

A graph grows from inputs `x` and `y` by drawing one operator after the other. Most have one thing in common with a
real view transform: rows are multiplied by constant masks and summed, or moved by constant indices. Some
operators mix rows; the compiler must then leave things alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from hypothesis import strategies as st

from tests.graphs import GraphMaker

Shape = tuple[int, ...]
LARGEST = 600
MOST_AXES = 6


@dataclass(frozen=True)
class Tensor:
    """A float tensor of the graph."""

    name: str
    shape: Shape


class Growing:
    """A graph that grows by random operators; every method adds one and returns its result, or None if it cannot."""

    def __init__(self, draw: st.DrawFn, opset: int = 17) -> None:
        self.draw = draw
        self.maker = GraphMaker(opset)
        self.random = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.pool: list[Tensor] = []

    def pick(self, among: list[Tensor] | None = None) -> Tensor:
        """Return one tensor, the youngest most often."""
        found = among or self.pool
        back = self.draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
        return found[max(0, len(found) - 1 - back)]

    def axis(self, tensor: Tensor) -> int:
        """Return one axis of a tensor."""
        return self.draw(st.integers(0, len(tensor.shape) - 1))

    def add(self, op_type: str, inputs: list[str], shape: Shape, **attributes: object) -> Tensor | None:
        """Add a node whose result has the given shape, unless that is too large."""
        if math.prod(shape) > LARGEST or not 0 < len(shape) <= MOST_AXES or 0 in shape:
            return None
        return Tensor(self.maker.op(op_type, *inputs, **attributes), shape)

    def values(self, shape: Shape, kind: str) -> str:
        """Return a constant: a mask of 0 and 1, a mask of coefficients, numbers, or positive numbers."""
        mask = (self.random.random(shape) < 0.4).astype(np.float32)
        if kind == "mask":
            return self.maker.const(mask)
        if kind == "flags":
            return self.maker.const(mask.astype(bool))
        numbers = self.random.normal(size=shape)
        if kind == "positive":
            return self.maker.const(np.abs(numbers) + 0.5)
        if kind == "scales":
            return self.maker.const(mask * self.random.choice([1.0, 0.5, -1.0], size=shape))
        if kind == "zeros":
            return self.maker.const(np.zeros(shape, np.float32))
        return self.maker.const(numbers)

    def broadcastable(self, shape: Shape) -> Shape:
        """Return a shape that broadcasts to another one: some axes 1, some leading ones gone."""
        kept = tuple(size if self.draw(st.booleans()) else 1 for size in shape)
        return kept[self.draw(st.sampled_from([0, 0, 0, 1])) :] or (1,)

    def row_shape(self, shape: Shape) -> Shape:
        """Return the shape of a mask per row: the last axis 1."""
        return (*shape[:-1], 1)


def unary(g: Growing) -> Tensor | None:
    t = g.pick()
    names = ["Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Cos", "Sin", "Erf", "Floor", "Identity", "Softplus"]
    return g.add(g.draw(st.sampled_from(names)), [t.name], t.shape)


def clip(g: Growing) -> Tensor | None:
    t = g.pick()
    low = g.draw(st.sampled_from([-1.0, 0.25]))
    return g.add("Clip", [t.name, g.maker.const(low), g.maker.const(1.0)], t.shape)


def mask_rows(g: Growing) -> Tensor | None:
    t = g.pick()
    return g.add(
        "Mul", [t.name, g.values(g.row_shape(t.shape), g.draw(st.sampled_from(["mask", "scales"])))], t.shape
    )


def with_constant(g: Growing) -> Tensor | None:
    t = g.pick()
    op = g.draw(st.sampled_from(["Add", "Sub", "Mul", "Mul", "Max", "Min"]))
    kind = g.draw(st.sampled_from(["mask", "scales", "numbers", "numbers", "zeros"]))
    inputs = [t.name, g.values(g.broadcastable(t.shape), kind)]
    return g.add(op, inputs[:: g.draw(st.sampled_from([1, -1]))], t.shape)


def divide(g: Growing) -> Tensor | None:
    t = g.pick()
    return g.add("Div", [t.name, g.values(g.broadcastable(t.shape), "positive")], t.shape)


def with_tensor(g: Growing) -> Tensor | None:
    t, u = g.pick(), g.pick()
    try:
        shape = np.broadcast_shapes(t.shape, u.shape)
    except ValueError:
        return None
    op = g.draw(st.sampled_from(["Add", "Sub", "Mul", "Max", "Min"]))
    return g.add(op, [t.name, u.name], shape)


def where(g: Growing) -> Tensor | None:
    t = g.pick()
    flags = g.values(g.draw(st.sampled_from([g.row_shape(t.shape), g.broadcastable(t.shape)])), "flags")
    other = g.values(g.broadcastable(t.shape), g.draw(st.sampled_from(["numbers", "zeros"])))
    same = [u.name for u in g.pool if u.shape == t.shape]
    branches = [t.name, g.draw(st.sampled_from([other, *same]))]
    return g.add("Where", [flags, *branches[:: g.draw(st.sampled_from([1, -1]))]], t.shape)


def compare_and_cast(g: Growing) -> Tensor | None:
    t = g.pick()
    op = g.draw(st.sampled_from(["Greater", "LessOrEqual"]))
    flags = g.add(op, [t.name, g.values(g.broadcastable(t.shape), "numbers")], t.shape)
    return None if flags is None else g.add("Cast", [flags.name], t.shape, to=1)


def reshape(g: Growing) -> Tensor | None:
    t = g.pick()
    sizes = list(t.shape)
    for _ in range(g.draw(st.integers(1, 2))):
        place = g.draw(st.integers(0, len(sizes) - 1))
        divisors = [d for d in range(2, sizes[place]) if sizes[place] % d == 0]
        if divisors and g.draw(st.booleans()):
            d = g.draw(st.sampled_from(divisors))
            sizes[place : place + 1] = [d, sizes[place] // d]
        elif place + 1 < len(sizes):
            sizes[place : place + 2] = [sizes[place] * sizes[place + 1]]
        elif g.draw(st.booleans()):
            sizes.insert(place, 1)
    return g.add("Reshape", [t.name, g.maker.const(sizes)], tuple(sizes))


def transpose(g: Growing) -> Tensor | None:
    t = g.pick()
    perm = g.draw(st.permutations(range(len(t.shape))))
    return g.add("Transpose", [t.name], tuple(t.shape[p] for p in perm), perm=list(perm))


def unsqueeze(g: Growing) -> Tensor | None:
    t = g.pick()
    place = g.draw(st.integers(0, len(t.shape)))
    return g.add("Unsqueeze", [t.name, g.maker.const([place])], (*t.shape[:place], 1, *t.shape[place:]))


def squeeze(g: Growing) -> Tensor | None:
    t = g.pick()
    units = [place for place, size in enumerate(t.shape) if size == 1]
    if not units or len(t.shape) < 2:
        return None
    place = g.draw(st.sampled_from(units))
    return g.add("Squeeze", [t.name, g.maker.const([place])], (*t.shape[:place], *t.shape[place + 1 :]))


def expand(g: Growing) -> Tensor | None:
    t = g.pick()
    shape = [g.draw(st.integers(2, 4)) if n == 1 and g.draw(st.booleans()) else n for n in t.shape]
    shape = [g.draw(st.integers(1, 3)), *shape] if g.draw(st.booleans()) else shape
    return g.add("Expand", [t.name, g.maker.const(shape)], tuple(shape))


def tile(g: Growing) -> Tensor | None:
    t = g.pick()
    repeats = [g.draw(st.sampled_from([1, 1, 2, 3])) for _ in t.shape]
    shape = tuple(a * b for a, b in zip(t.shape, repeats, strict=True))
    return g.add("Tile", [t.name, g.maker.const(repeats)], shape)


def slice_(g: Growing) -> Tensor | None:
    t = g.pick()
    place = g.axis(t)
    size = t.shape[place]
    start, end = g.draw(st.integers(-size - 1, size)), g.draw(st.integers(-size - 1, size + 2))
    step = g.draw(st.sampled_from([1, 1, 2, -1, -2]))
    if step < 0 and g.draw(st.booleans()):
        end = -(2**40)
    bounds = [g.maker.const([n]) for n in (start, end, place, step)]
    length = len(_sliced(size, start, end, step))
    return g.add("Slice", [t.name, *bounds], (*t.shape[:place], length, *t.shape[place + 1 :]))


def _sliced(size: int, start: int, end: int, step: int) -> range:
    """Return the places that an ONNX Slice keeps."""
    start = start + size if start < 0 else start
    end = end + size if end < 0 else end
    low, high = (0, size - 1) if step < 0 else (0, size)
    start = min(max(start, low), high)
    end = min(max(end, -1 if step < 0 else 0), size)
    return range(start, end, step)


def split(g: Growing) -> Tensor | None:
    t = g.pick()
    place = g.axis(t)
    if t.shape[place] < 2:
        return None
    cut = g.draw(st.integers(1, t.shape[place] - 1))
    sizes = [cut, t.shape[place] - cut]
    outputs = g.maker.ops("Split", t.name, g.maker.const(sizes), count=2, axis=place)
    parts = [
        Tensor(name, (*t.shape[:place], n, *t.shape[place + 1 :]))
        for name, n in zip(outputs, sizes, strict=True)
    ]
    g.pool.append(parts[0])
    return parts[1]


def gather(g: Growing) -> Tensor | None:
    t = g.pick()
    place = g.axis(t)
    size = t.shape[place]
    shape: Shape = g.draw(st.sampled_from([(), (1,), (3,), (size,), (2, 2)]))
    index = g.random.integers(-size, size, size=shape)
    return g.add(
        "Gather",
        [t.name, g.maker.const(index)],
        (*t.shape[:place], *shape, *t.shape[place + 1 :]),
        axis=place,
    )


def gather_nd(g: Growing) -> Tensor | None:
    t = g.pick()
    depth = g.draw(st.integers(1, len(t.shape)))
    lead: Shape = g.draw(st.sampled_from([(3,), (5,), (2, 2)]))
    index = np.stack([g.random.integers(-n, n, size=lead) for n in t.shape[:depth]], axis=-1)
    return g.add("GatherND", [t.name, g.maker.const(index)], (*lead, *t.shape[depth:]))


def gather_elements(g: Growing) -> Tensor | None:
    t = g.pick()
    place = g.axis(t)
    length = g.draw(st.integers(1, 4))
    shape = (*t.shape[:place], length, *t.shape[place + 1 :])
    index = g.random.integers(0, t.shape[place], size=shape)
    if g.draw(st.booleans()):
        index = np.broadcast_to(index[..., :1], shape) if place < len(shape) - 1 else index
    return g.add("GatherElements", [t.name, g.maker.const(np.array(index))], shape, axis=place)


def concat(g: Growing) -> Tensor | None:
    t = g.pick()
    place = g.axis(t)
    like = [
        u
        for u in g.pool
        if len(u.shape) == len(t.shape)
        and all(a == b or i == place for i, (a, b) in enumerate(zip(u.shape, t.shape, strict=True)))
    ]
    other = g.pick(like)
    kind = g.draw(st.sampled_from(["tensor", "tensor", "zeros", "numbers"]))
    second = other.name if kind == "tensor" else g.values(other.shape, kind)
    size = t.shape[place] + other.shape[place]
    return g.add("Concat", [t.name, second], (*t.shape[:place], size, *t.shape[place + 1 :]), axis=place)


def pad(g: Growing) -> Tensor | None:
    t = g.pick()
    place = g.axis(t)
    amounts = [0] * (2 * len(t.shape))
    amounts[place], amounts[place + len(t.shape)] = g.draw(st.tuples(st.integers(-1, 2), st.integers(0, 2)))
    if t.shape[place] + amounts[place] < 1:
        return None
    inputs = [t.name, g.maker.const(amounts)]
    fill = g.draw(st.sampled_from([None, 0.0, 0.5]))
    inputs += [] if fill is None else [g.maker.const(fill)]
    size = t.shape[place] + amounts[place] + amounts[place + len(t.shape)]
    mode = g.draw(st.sampled_from(["constant", "constant", "edge"])) if min(amounts) >= 0 else "constant"
    return g.add("Pad", inputs, (*t.shape[:place], size, *t.shape[place + 1 :]), mode=mode)


def scatter_nd(g: Growing) -> Tensor | None:
    updates = g.pick()
    depth = g.draw(st.integers(1, min(2, len(updates.shape))))
    sizes = [g.draw(st.integers(max(1, n), n + 3)) for n in updates.shape[:depth]]
    tail = updates.shape[depth:]
    lead = updates.shape[:depth]
    places = math.prod(sizes)
    reduction = g.draw(st.sampled_from(["none", "none", "add"]))
    again = reduction == "add" and g.draw(st.booleans())
    if not again and math.prod(lead) > places:
        return None
    flat = g.random.choice(places, size=math.prod(lead), replace=again)
    index = np.stack(np.unravel_index(flat, sizes), axis=-1).reshape(*lead, depth)
    shape = (*sizes, *tail)
    same = [t.name for t in g.pool if t.shape == shape]
    data = g.draw(
        st.sampled_from(
            [g.values(shape, "zeros"), g.values(shape, "zeros"), g.values(shape, "numbers"), *same]
        )
    )
    return g.add("ScatterND", [data, g.maker.const(index), updates.name], shape, reduction=reduction)


def scatter_elements(g: Growing) -> Tensor | None:
    updates = g.pick()
    place = g.axis(updates)
    size = updates.shape[place] + g.draw(st.integers(0, 3))
    shape = (*updates.shape[:place], size, *updates.shape[place + 1 :])
    reduction = g.draw(st.sampled_from(["none", "add"]))
    repeat = reduction == "add"
    line = g.random.choice(size, size=updates.shape[place], replace=repeat)
    wide = [1] * len(shape)
    wide[place] = updates.shape[place]
    index = np.array(np.broadcast_to(line.reshape(wide), updates.shape))
    if g.draw(st.booleans()):
        index = g.random.permuted(index, axis=place)
    data = g.values(shape, g.draw(st.sampled_from(["zeros", "numbers"])))
    inputs = [data, g.maker.const(index), updates.name]
    return g.add("ScatterElements", inputs, shape, axis=place, reduction=reduction)


def matmul(g: Growing) -> Tensor | None:
    t = g.pick()
    width = g.draw(st.sampled_from([t.shape[-1], 2, 6]))
    return g.add("MatMul", [t.name, g.values((t.shape[-1], width), "numbers")], (*t.shape[:-1], width))


def gemm(g: Growing) -> Tensor | None:
    t = g.pick()
    if len(t.shape) != 2:
        return None
    width = g.draw(st.sampled_from([2, 4]))
    flip = g.draw(st.booleans())
    weight = g.values((width, t.shape[1]) if flip else (t.shape[1], width), "numbers")
    bias: Shape = g.draw(st.sampled_from([(width,), (1,), (t.shape[0], width), (t.shape[0], 1)]))
    inputs = [t.name, weight, g.values(bias, "numbers")]
    return g.add("Gemm", inputs, (t.shape[0], width), transB=int(flip), alpha=0.5)


def mix_rows(g: Growing) -> Tensor | None:
    t = g.pick()
    if len(t.shape) < 2:
        return None
    left = g.values((3, t.shape[-2]), "numbers")
    return g.add("MatMul", [left, t.name], (*t.shape[:-2], 3, t.shape[-1]))


def running_sum(g: Growing) -> Tensor | None:
    t = g.pick()
    return g.add("CumSum", [t.name, g.maker.const(np.array(g.axis(t)))], t.shape)


def softmax(g: Growing) -> Tensor | None:
    t = g.pick()
    axis = g.draw(st.sampled_from([-1, -1, g.axis(t)]))
    return g.add(g.draw(st.sampled_from(["Softmax", "LogSoftmax"])), [t.name], t.shape, axis=axis)


def layer_norm(g: Growing) -> Tensor | None:
    t = g.pick()
    axis = g.draw(st.sampled_from([-1, -1, -min(2, len(t.shape))]))
    scale, bias = g.values(t.shape[axis:], "numbers"), g.values(t.shape[axis:], "numbers")
    if math.prod(t.shape[axis:]) < 2:
        return None
    return g.add("LayerNormalization", [t.name, scale, bias], t.shape, axis=axis, epsilon=0.1)


def reduce(g: Growing) -> Tensor | None:
    t = g.pick()
    axis = g.axis(t)
    keep = g.draw(st.integers(0, 1)) if len(t.shape) > 1 else 1
    op = g.draw(st.sampled_from(["ReduceSum", "ReduceSum", "ReduceMean", "ReduceMax"]))
    shape = (*t.shape[:axis], *([1] * keep), *t.shape[axis + 1 :])
    if op == "ReduceSum":
        return g.add(op, [t.name, g.maker.const([axis])], shape, keepdims=keep)
    return g.add(op, [t.name], shape, keepdims=keep, axes=[axis])


def sum_of_masked(g: Growing) -> Tensor | None:
    t = mask_rows(g)
    if t is None:
        return None
    rows = [place for place, size in enumerate(t.shape[:-1]) if size > 1]
    among = rows if rows and g.draw(st.integers(0, 3)) else list(range(len(t.shape)))
    axes = sorted(
        g.draw(st.sets(st.sampled_from(among), min_size=1, max_size=g.draw(st.sampled_from([1, 1, 2]))))
    )
    keep = g.draw(st.integers(0, 1)) if len(t.shape) > len(axes) else 1
    shape = tuple(1 if i in axes else n for i, n in enumerate(t.shape) if keep or i not in axes)
    return g.add("ReduceSum", [t.name, g.maker.const(axes)], shape, keepdims=keep)


def sample(g: Growing) -> Tensor | None:
    t = g.pick()
    if len(t.shape) < 3 or t.shape[-1] % 2:
        return None
    batch = t.shape[0]
    inner = math.prod(t.shape[1:-1])
    grid = g.add(
        "Reshape",
        [t.name, g.maker.const([batch, inner, t.shape[-1] // 2, 2])],
        (batch, inner, t.shape[-1] // 2, 2),
    )
    picture = g.draw(st.sampled_from([g.values((batch, 2, 3, 4), "numbers"), "image"]))
    if grid is None or (picture == "image" and batch != _image_shape(g)[0]):
        return None
    mode = g.draw(st.sampled_from(["bilinear", "nearest"]))
    channels = 2 if picture != "image" else 4
    shape = (batch, channels, inner, t.shape[-1] // 2)
    return g.add("GridSample", [picture, grid.name], shape, mode=mode, padding_mode="zeros")


def pick_pixels(g: Growing) -> Tensor | None:
    """Pick the nearest pixels of known places, some outside the image, as a gather or a gather back."""
    t = g.pick()
    if len(t.shape) < 3:
        return None
    batch, channels, *sides = t.shape if len(t.shape) == 4 else (*t.shape[:2], math.prod(t.shape[2:]), 1)
    image = g.add("Reshape", [t.name, g.maker.const([batch, channels, *sides])], (batch, channels, *sides))
    tall, wide = g.draw(st.sampled_from([(2, 3), (1, 4), (3, 1)]))
    places = g.random.uniform(-1.4, 1.4, size=(batch, tall, wide, 2))
    places = np.repeat(places[:1], batch, axis=0) if g.draw(st.booleans()) else places
    aligned, padding = g.draw(st.integers(0, 1)), g.draw(st.sampled_from(["zeros", "zeros", "border"]))
    attributes = {"mode": "nearest", "align_corners": aligned, "padding_mode": padding}
    shape = (batch, channels, tall, wide)
    return image and g.add("GridSample", [image.name, g.maker.const(places)], shape, **attributes)


def gather_computed(g: Growing) -> Tensor | None:
    """Gather elements of a tensor at places that another tensor computes: sampling without GridSample."""
    t = g.pick()
    place = g.axis(t)
    shape = (*t.shape[:place], g.draw(st.integers(2, 5)), *t.shape[place + 1 :])
    pixels = g.values(shape, "numbers")
    same = [u.name for u in g.pool if u.shape == shape]
    kept = g.add("Clip", [t.name, g.maker.const(0.0), g.maker.const(float(shape[place] - 1))], t.shape)
    index = kept and g.add("Cast", [kept.name], t.shape, to=7)
    data = g.draw(st.sampled_from([pixels, *same]))
    return index and g.add("GatherElements", [data, index.name], t.shape, axis=place)


def gather_known(g: Growing) -> Tensor | None:
    """Gather pixels at known places along an axis of rows, each of which samples several, and tell those apart."""
    t = g.pick()
    if len(t.shape) != 3:
        return None
    batch, rows, width = t.shape
    several, size = g.draw(st.integers(1, 3)), g.draw(st.integers(3, 6))
    places = g.random.integers(0, size, (batch, width if g.draw(st.booleans()) else 1, rows * several))
    whole = (batch, width, rows * several)
    image = _image_shape(g)
    fits = image[:2] == [batch, width] and g.draw(st.booleans())
    flat = g.maker.op("Reshape", "image", g.maker.const([batch, width, image[2] * image[3]])) if fits else ""
    pixels = flat or g.values((batch, width, size), "numbers")
    index = g.maker.const(np.broadcast_to(places, whole))
    read = g.add("GatherElements", [pixels, index], whole, axis=2)
    turned = read and g.add("Transpose", [read.name], (batch, rows * several, width), perm=[0, 2, 1])
    apart = turned and g.maker.op("Reshape", turned.name, g.maker.const([batch, rows, several, width]))
    summed = apart and g.maker.op("ReduceSum", apart, g.maker.const([2]), keepdims=0)
    return summed and g.add("Add", [t.name, summed], t.shape)


def _image_shape(g: Growing) -> list[int]:
    """Return batch, channels, height and width of the image that every graph has."""
    (image,) = (each for each in g.maker.inputs if each.name == "image")
    return [dim.dim_value for dim in image.type.tensor_type.shape.dim]


OPERATORS: tuple[Callable[[Growing], Tensor | None], ...] = (
    unary,
    clip,
    mask_rows,
    mask_rows,
    mask_rows,
    with_constant,
    with_constant,
    divide,
    with_tensor,
    with_tensor,
    where,
    compare_and_cast,
    reshape,
    reshape,
    reshape,
    transpose,
    transpose,
    unsqueeze,
    squeeze,
    expand,
    expand,
    tile,
    slice_,
    split,
    gather,
    gather,
    gather_nd,
    gather_elements,
    concat,
    concat,
    pad,
    scatter_nd,
    scatter_nd,
    scatter_elements,
    matmul,
    matmul,
    gemm,
    mix_rows,
    running_sum,
    softmax,
    layer_norm,
    reduce,
    sum_of_masked,
    sum_of_masked,
    sample,
    sample,
    pick_pixels,
    gather_computed,
    gather_known,
)

ROW_WISE: tuple[Callable[[Growing], Tensor | None], ...] = (
    unary,
    clip,
    mask_rows,
    with_constant,
    divide,
    with_tensor,
    where,
    reshape,
    reshape,
    transpose,
    matmul,
    matmul,
    softmax,
    layer_norm,
    sample,
    gather_computed,
    gather_known,
    concat,
    slice_,
    split,
    expand,
    reduce,
)


@st.composite
def any_graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """A graph of up to 14 operators of any kind; all that is left over is an output."""
    g = Growing(draw)
    start: Shape = draw(st.sampled_from([(2, 6, 4), (1, 6, 4), (6, 4), (2, 3, 2, 4), (12, 1, 4)]))
    g.pool = [Tensor(g.maker.input("x", start), start), Tensor(g.maker.input("y", (6, 4)), (6, 4))]
    g.maker.input("image", (2, 4, 3, 5))
    for _ in range(draw(st.integers(2, 14))):
        _grow(g, OPERATORS)
    return _finished(g)


@st.composite
def site_graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """Queries repeated per camera, masked, worked on row by row, masked, summed: with anything in between."""
    g = Growing(draw)
    cameras, queries = 2, draw(st.sampled_from([4, 6]))
    x = Tensor(g.maker.input("x", (1, queries, 4)), (1, queries, 4))
    g.maker.input("image", (2, 4, 3, 5))
    g.pool = [Tensor(g.maker.input("y", (cameras, queries, 4)), (cameras, queries, 4)), x]
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        mask = (g.random.random((cameras, queries, 1)) < draw(st.sampled_from([0.0, 0.3, 0.5, 0.9]))).astype(
            np.float32
        )
        if draw(st.booleans()):
            mask[g.random.integers(0, cameras)] = 0
        rows = g.add("Mul", [x.name, g.maker.const(mask)], (cameras, queries, 4))
        assert rows is not None
        g.pool.append(rows)
        for _ in range(draw(st.integers(1, 8))):
            _grow(g, ROW_WISE)
        last = sum_of_masked(g)
        if last is not None:
            g.pool.append(last)
        for _ in range(draw(st.integers(0, 2))):
            _grow(g, OPERATORS)
    return _finished(g)


@st.composite
def loop_graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """Each camera on its own: its queries gathered by constant indices, worked on, scattered or added to slots."""
    g = Growing(draw)
    cameras, queries = draw(st.integers(1, 3)), draw(st.sampled_from([4, 6]))
    x = Tensor(g.maker.input("x", (queries, 4)), (queries, 4))
    g.maker.input("image", (2, 4, 3, 5))
    g.pool = [x]
    slots = Tensor(g.values((queries, 4), draw(st.sampled_from(["zeros", "zeros", "numbers"]))), (queries, 4))
    for _ in range(cameras):
        count = draw(st.integers(1, queries))
        ids = np.sort(g.random.choice(queries, size=count, replace=False))
        rows = g.add("Gather", [x.name, g.maker.const(ids)], (count, 4), axis=0)
        assert rows is not None
        g.pool.append(rows)
        for _ in range(draw(st.integers(1, 4))):
            _grow(g, ROW_WISE)
        last = g.pool[-1] if g.pool[-1].shape == rows.shape else rows
        written = _write(g, slots, ids, last)
        slots = written or slots
        g.pool.append(slots)
    _grow(g, OPERATORS)
    return _finished(g)


def _write(g: Growing, slots: Tensor, ids: np.ndarray, rows: Tensor) -> Tensor | None:
    """Write rows to places: replacing, adding, or reading the place, adding and writing it back."""
    places = g.maker.const(ids[:, None])
    how = g.draw(st.sampled_from(["none", "add", "read"]))
    if how == "read":
        old = g.add("Gather", [slots.name, g.maker.const(ids)], rows.shape, axis=0)
        total = old and g.add("Add", [old.name, rows.name], rows.shape)
        return total and g.add("ScatterND", [slots.name, places, total.name], slots.shape)
    return g.add("ScatterND", [slots.name, places, rows.name], slots.shape, reduction=how)


def _grow(g: Growing, operators: tuple[Callable[[Growing], Tensor | None], ...]) -> None:
    made = g.draw(st.sampled_from(operators))(g)
    if made is not None:
        g.pool.append(made)


def _finished(g: Growing) -> onnx.ModelProto:
    """Return the model; the youngest tensor is an output, and now and then an older one."""
    outputs = {"out": g.pool[-1].name}
    if g.draw(st.integers(0, 3)) == 0:
        outputs["also"] = g.pick().name
    return g.maker.model(**outputs)
