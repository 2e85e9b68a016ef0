"""Random graphs in which the rows of several planes are sampled at once and cut apart behind that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx
from hypothesis import strategies as st

from tests.row_graphs import OPERATORS, ROW_WISE, Growing, Tensor, _grow

WIDTH, PIXELS = 4, (3, 4)


@dataclass(frozen=True)
class Plane:
    """A set of queries.

    Attributes:
        queries: How many there are.
        seen: By camera, those that it sees.
        rows: How many rows every camera has.
        parts: How many places each row samples.
        masked: Whether rows are all queries under a mask, or the seen ones, padded to the longest camera.
    """

    queries: int
    seen: tuple[np.ndarray, ...]
    rows: int
    parts: int
    masked: bool

    @property
    def places(self) -> int:
        """How many places are sampled in the image of every camera."""
        return self.rows * self.parts

    def mask(self) -> np.ndarray:
        """Return which queries every camera sees, (cameras, queries, 1)."""
        found = [np.isin(np.arange(self.queries), seen) for seen in self.seen]
        return np.stack(found)[..., None].astype(np.float32)


@st.composite
def plane_graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """Queries of one to three planes, worked on, sampled at once, cut apart, each added up over the cameras."""
    g = Growing(draw)
    cameras = draw(st.integers(1, 3))
    planes = [_plane(g, cameras) for _ in range(draw(st.integers(1, 3)))]
    read = _sampled(g, planes, cameras)
    if draw(st.integers(0, 5)) == 0:  # something else reads all rows
        g.pool.append(Tensor(g.maker.op("ReduceMax", read.name, axes=[1], keepdims=1), (cameras, 1, WIDTH)))
    made = []
    for plane, own in zip(planes, _cut(g, read, [plane.places for plane in planes]), strict=True):
        made.append(_added_up(g, plane, _reduced(g, plane, own)))
    g.pool += made
    for _ in range(draw(st.integers(0, 2))):
        _grow(g, OPERATORS)
    outputs = {f"plane{number}": each.name for number, each in enumerate(made)}
    return g.maker.model(**outputs, out=g.pick().name)


def _plane(g: Growing, cameras: int) -> Plane:
    queries, masked = g.draw(st.sampled_from([4, 6])), g.draw(st.booleans())
    counts = [g.draw(st.integers(0, queries)) for _ in range(cameras)]
    if g.draw(st.integers(0, 5)) == 0:
        counts = [0] * cameras
    seen = tuple(np.sort(g.random.choice(queries, count, replace=False)) for count in counts)
    rows = queries if masked else max(1, *counts) + g.draw(st.integers(0, 1))
    return Plane(queries, seen, rows, g.draw(st.integers(1, 3)), masked)


def _rows(g: Growing, plane: Plane, cameras: int) -> Tensor:
    """Return the rows of a plane, worked on: (cameras, rows, width)."""
    x = g.maker.input(g.maker.name("x"), (1, plane.queries, WIDTH))
    shape = (cameras, plane.rows, WIDTH)
    if plane.masked:
        rows = Tensor(g.maker.op("Mul", x, g.maker.const(plane.mask())), shape)
    else:
        table = np.zeros(shape[:2], np.int64)
        for camera, seen in enumerate(plane.seen):
            table[camera, : len(seen)] = seen
        picked = g.maker.op("Gather", x, g.maker.const(table.ravel()), axis=1)
        rows = Tensor(g.maker.op("Reshape", picked, g.maker.const(shape)), shape)
    g.pool = [rows]
    for _ in range(g.draw(st.integers(0, 2))):
        _grow(g, ROW_WISE)
    return next(each for each in reversed(g.pool) if each.shape == shape)


def _places(g: Growing, plane: Plane, cameras: int) -> str:
    """Return where a plane samples, known or computed: (cameras, places, 2)."""
    shape = (cameras, plane.places, 2)
    if g.draw(st.integers(0, 2)) == 0:
        return g.maker.const(g.random.uniform(-1.2, 1.2, shape))
    weight = g.values((WIDTH, plane.parts * 2), "numbers")
    wide = g.maker.op("Tanh", g.maker.op("MatMul", _rows(g, plane, cameras).name, weight))
    return g.maker.op("Reshape", wide, g.maker.const(shape))


def _sampled(g: Growing, planes: list[Plane], cameras: int) -> Tensor:
    """Return what the images show at the places of all planes: (cameras, places, width)."""
    total = sum(plane.places for plane in planes)
    image = g.maker.input("image", (cameras, WIDTH, *PIXELS))
    flat = g.maker.op("Reshape", image, g.maker.const([cameras, WIDTH, PIXELS[0] * PIXELS[1]]))
    how = g.draw(st.sampled_from(["grid", "grid", "known", "known of each feature", "computed"]))
    if how.startswith("known"):
        index = g.random.integers(0, PIXELS[0] * PIXELS[1], (cameras, WIDTH if "each" in how else 1, total))
        places = g.maker.const(np.broadcast_to(index, (cameras, WIDTH, total)))
    else:
        each = [_places(g, plane, cameras) for plane in planes]
        places = g.maker.op("Concat", *each, axis=1) if len(each) > 1 else each[0]
    if how == "grid":
        grid = g.maker.op("Reshape", places, g.maker.const([cameras, total, 1, 2]))
        read = g.maker.op("GridSample", image, grid, mode="bilinear", padding_mode="zeros")
        read = g.maker.op("Reshape", read, g.maker.const([cameras, WIDTH, total]))
    else:
        index = places if how != "computed" else _pixel_of(g, places, (cameras, WIDTH, total))
        read = g.maker.op("GatherElements", flat, index, axis=2)
    return Tensor(g.maker.op("Transpose", read, perm=[0, 2, 1]), (cameras, total, WIDTH))


def _pixel_of(g: Growing, places: str, shape: tuple[int, ...]) -> str:
    """Return places (cameras, places, 2) as numbers of pixels, the same for all channels."""
    first = g.maker.op("ReduceSum", places, g.maker.const([2]), keepdims=0)
    scaled = g.maker.op("Mul", g.maker.op("Abs", first), g.maker.const(5.0))
    kept = g.maker.op("Clip", scaled, g.maker.const(0.0), g.maker.const(float(PIXELS[0] * PIXELS[1] - 1)))
    index = g.maker.op("Unsqueeze", g.maker.op("Cast", kept, to=7), g.maker.const([1]))
    return g.maker.op("Expand", index, g.maker.const(shape))


def _cut(g: Growing, read: Tensor, sizes: list[int]) -> list[Tensor]:
    """Return the rows of each plane."""
    starts = np.cumsum([0, *sizes])
    how = g.draw(st.sampled_from(["Split", "Slice", "Gather"]))
    if how == "Split":
        names = g.maker.ops("Split", read.name, g.maker.const(sizes), count=len(sizes), axis=1)
    elif how == "Slice":
        bounds = [([int(a)], [int(b)]) for a, b in pairwise(starts)]
        names = [g.maker.op("Slice", read.name, *map(g.maker.const, (a, b, [1]))) for a, b in bounds]
    else:
        ranges = [np.arange(a, b) for a, b in pairwise(starts)]
        ranges = [g.random.permutation(each) for each in ranges] if g.draw(st.booleans()) else ranges
        names = [g.maker.op("Gather", read.name, g.maker.const(each), axis=1) for each in ranges]
    return [Tensor(name, (read.shape[0], n, WIDTH)) for name, n in zip(names, sizes, strict=True)]


def _reduced(g: Growing, plane: Plane, own: Tensor) -> Tensor:
    """Return what a plane samples, reduced to one for each of its rows: (cameras, rows, width)."""
    shape = (len(plane.seen), plane.rows, WIDTH)
    if g.draw(st.booleans()):
        own = Tensor(g.maker.op(g.draw(st.sampled_from(["Relu", "Cos", "Neg"])), own.name), own.shape)
    apart = g.maker.op("Reshape", own.name, g.maker.const([*shape[:2], plane.parts, WIDTH]))
    how = g.draw(st.sampled_from(["ReduceSum", "ReduceMax", "ReduceMean", "weigh"]))
    if how == "weigh":
        shares = g.values((plane.parts, 1), "numbers")
        apart, how = g.maker.op("Mul", apart, shares), "ReduceSum"
    if how == "ReduceSum":
        return Tensor(g.maker.op(how, apart, g.maker.const([2]), keepdims=0), shape)
    return Tensor(g.maker.op(how, apart, axes=[2], keepdims=0), shape)


def _added_up(g: Growing, plane: Plane, rows: Tensor) -> Tensor:
    """Return the rows of a plane added up by query: (1, queries, width), or (queries, width) if written in place."""
    if plane.masked:
        kept = g.maker.op("Mul", rows.name, g.maker.const(plane.mask()))
        shape = (1, plane.queries, WIDTH)
        return Tensor(g.maker.op("ReduceSum", kept, g.maker.const([0]), keepdims=1), shape)
    total = g.values((plane.queries, WIDTH), g.draw(st.sampled_from(["zeros", "numbers"])))
    for camera, seen in enumerate(plane.seen):
        if not len(seen):
            continue
        own = g.maker.op("Gather", rows.name, g.maker.const(np.array(camera)), axis=0)
        part = g.maker.op("Slice", own, *map(g.maker.const, ([0], [len(seen)], [0])))
        places = g.maker.const(seen[:, None])
        if g.draw(st.booleans()):
            total = g.maker.op("ScatterND", total, places, part, reduction="add")
        else:
            old = g.maker.op("Gather", total, g.maker.const(seen), axis=0)
            total = g.maker.op("ScatterND", total, places, g.maker.op("Add", old, part))
    return Tensor(total, (plane.queries, WIDTH))
