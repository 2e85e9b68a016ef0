"""Multi-scale deformable attention in every spelling that exporters use, and as plain loops to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from tests.graphs import GraphMaker


@dataclass(frozen=True)
class Case:
    """Sizes of one attention: N batch items, Q queries, M heads, d channels, P points, maps (h, w)."""

    batch: int = 2
    queries: int = 5
    heads: int = 3
    channels: int = 4
    points: int = 2
    levels: tuple[tuple[int, int], ...] = ((3, 4), (2, 5))

    @property
    def places(self) -> int:
        """Places of all maps."""
        return sum(h * w for h, w in self.levels)

    @property
    def starts(self) -> list[int]:
        """First place of every map."""
        return [sum(h * w for h, w in self.levels[:level]) for level in range(len(self.levels))]


ONE_LEVEL = Case(levels=((3, 4),))
ONE_HEAD = Case(heads=1)
ONE_CAMERA = Case(batch=1)
CASES = (Case(), ONE_LEVEL, ONE_HEAD, ONE_CAMERA, Case(batch=1, levels=((2, 2), (2, 2), (2, 2))))


def arrays(case: Case, seed: int = 0) -> dict[str, np.ndarray]:
    """Return value, locations (a third of them outside the maps) and weights that sum to 1 over a head's samples."""
    random = np.random.default_rng(seed)
    n, q, m, levels, p = case.batch, case.queries, case.heads, len(case.levels), case.points
    logits = random.normal(size=(n, q, m, levels * p))
    return {
        "value": random.normal(size=(n, case.places, m, case.channels)).astype(np.float32),
        "locations": random.uniform(-0.4, 1.4, size=(n, q, m, levels, p, 2)).astype(np.float32),
        "logits": logits.astype(np.float32),
    }


def attend(case: Case, value: np.ndarray, locations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the attention (N, Q, M * d) by loops, in float64: pixel = location * size - 0.5, zero outside."""
    n, q, m, d = case.batch, case.queries, case.heads, case.channels
    out = np.zeros((n, q, m, d))
    for b, i, head, level, point in np.ndindex(n, q, m, len(case.levels), case.points):
        h, w = case.levels[level]
        x = float(locations[b, i, head, level, point, 0]) * w - 0.5
        y = float(locations[b, i, head, level, point, 1]) * h - 0.5
        for row in (int(np.floor(y)), int(np.floor(y)) + 1):
            for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                if 0 <= row < h and 0 <= column < w:
                    share = (1 - abs(y - row)) * (1 - abs(x - column)) * weights[b, i, head, level, point]
                    out[b, i, head] += share * value[b, case.starts[level] + row * w + column, head]
    return out.reshape(n, q, m * d)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def expected(case: Case, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Return the attention that a graph of this module computes from its inputs."""
    shape = (*feeds["logits"].shape[:3], len(case.levels), case.points)
    return attend(
        case, feeds["value"], feeds["locations"], softmax(feeds["logits"].astype(np.float64)).reshape(shape)
    )


class Maker(GraphMaker):
    """Makes graphs of attention; methods named after what torch calls them."""

    def start(self, case: Case) -> tuple[str, str, str]:
        """Declare the inputs and return value, locations and weights (N, Q, M, L, P)."""
        n, q, m, levels, p = case.batch, case.queries, case.heads, len(case.levels), case.points
        value = self.input("value", (n, case.places, m, case.channels))
        locations = self.input("locations", (n, q, m, levels, p, 2))
        weights = self.op("Softmax", self.input("logits", (n, q, m, levels * p)), axis=-1)
        return value, locations, self.view(weights, (n, q, m, levels, p))

    def view(self, x: str, shape: tuple[int, ...]) -> str:
        """Reshape."""
        return self.op("Reshape", x, self.const(list(shape)))

    def permute(self, x: str, *perm: int) -> str:
        """Transpose."""
        return self.op("Transpose", x, perm=list(perm))

    def narrow(self, x: str, axis: int, start: int, length: int) -> str:
        """Slice along one axis."""
        return self.op("Slice", x, *(self.const([n]) for n in (start, start + length, axis)))

    def select(self, x: str, axis: int, index: int) -> str:
        """Gather with a scalar index."""
        return self.op("Gather", x, self.const(np.array(index)), axis=axis)

    def sum(self, x: str, axis: int) -> str:
        """Sum over one axis, which goes."""
        if self.opset < 13:
            return self.op("ReduceSum", x, axes=[axis], keepdims=0)
        return self.op("ReduceSum", x, self.const([axis]), keepdims=0)

    def grid_sample(self, image: str, grid: str, **changed: object) -> str:
        """Sample as deformable attention does, unless changed."""
        mode = "linear" if self.opset >= 20 else "bilinear"
        attributes: dict[str, object] = {"mode": mode, "padding_mode": "zeros", "align_corners": 0} | changed
        return self.op("GridSample", image, grid, **attributes)


def mmcv(case: Case, opset: int = 16) -> onnx.ModelProto:
    """As mmcv's reference: split by level, all levels stacked, one product, one sum."""
    g = Maker(opset)
    value, locations, weights = g.start(case)
    n, q, m, d, p = case.batch, case.queries, case.heads, case.channels, case.points
    total = len(case.levels) * p
    sizes = g.const([h * w for h, w in case.levels])
    values = g.ops("Split", value, sizes, count=len(case.levels), axis=1)
    grids = g.op("Sub", g.op("Mul", locations, g.const(2.0)), g.const(1.0))
    read = []
    for level, (h, w) in enumerate(case.levels):
        image = g.view(g.permute(g.view(values[level], (n, h * w, m * d)), 0, 2, 1), (n * m, d, h, w))
        grid = g.permute(g.select(grids, 3, level), 0, 2, 1, 3, 4)
        read.append(g.op("Unsqueeze", g.grid_sample(image, g.view(grid, (n * m, q, p, 2))), g.const([-2])))
    stacked = g.view(g.op("Concat", *read, axis=-2), (n * m, d, q, total))
    weight = g.view(g.permute(weights, 0, 2, 1, 3, 4), (n * m, 1, q, total))
    out = g.view(g.sum(g.op("Mul", stacked, weight), -1 if opset >= 13 else 3), (n, m * d, q))
    return g.model(out=g.permute(out, 0, 2, 1))


def by_level(case: Case, opset: int = 17) -> onnx.ModelProto:
    """One product and one sum per level, then an addition; axes kept at four."""
    g = Maker(opset)
    value, locations, weights = g.start(case)
    n, q, m, d, p = case.batch, case.queries, case.heads, case.channels, case.points
    grids = g.view(g.op("Add", g.op("Mul", g.const(2.0), locations), g.const(-1.0)), (n, q, m, -1))
    flat = g.view(weights, (n, q, m, -1))
    total = ""
    for level, (h, w) in enumerate(case.levels):
        maps = g.view(g.narrow(value, 1, case.starts[level], h * w), (n, h * w, m * d))
        image = g.view(g.permute(maps, 0, 2, 1), (n * m, d, h, w))
        grid = g.view(g.permute(g.narrow(grids, 3, level * p * 2, p * 2), 0, 2, 1, 3), (n * m, q, p, 2))
        weight = g.view(g.permute(g.narrow(flat, 3, level * p, p), 0, 2, 1, 3), (n * m, 1, q, p))
        part = g.sum(g.op("Mul", weight, g.grid_sample(image, grid)), 3)
        total = g.op("Add", total, part) if total else part
    return g.model(out=g.permute(g.view(total, (n, m * d, q)), 0, 2, 1))


def heads_first(case: Case, opset: int = 17) -> onnx.ModelProto:
    """Queries and points on one axis, heads split off again before the product, points summed before levels."""
    g = Maker(opset)
    value, locations, weights = g.start(case)
    n, q, m, d, p = case.batch, case.queries, case.heads, case.channels, case.points
    maps = g.permute(value, 0, 2, 3, 1)  # (N, M, d, S)
    read = []
    for level, (h, w) in enumerate(case.levels):
        image = g.view(g.narrow(maps, 3, case.starts[level], h * w), (n * m, d, h, w))
        place = g.permute(g.op("Squeeze", g.narrow(locations, 3, level, 1), g.const([3])), 0, 2, 1, 3, 4)
        grid = g.op("Sub", g.op("Mul", g.view(place, (n * m, q * p, 1, 2)), g.const(2.0)), g.const(1.0))
        read.append(g.view(g.grid_sample(image, grid), (n, m, d, 1, q, p)))
    stacked = g.op("Concat", *read, axis=3) if len(read) > 1 else read[0]  # (N, M, d, L, Q, P)
    weight = g.op("Unsqueeze", g.permute(weights, 0, 2, 3, 1, 4), g.const([2]))  # (N, M, 1, L, Q, P)
    product = g.permute(g.op("Mul", stacked, weight), 0, 4, 1, 2, 3, 5)  # (N, Q, M, d, L, P)
    summed = g.op("ReduceSum", product, g.const([4, 5]), keepdims=0)
    return g.model(out=g.view(summed, (n, q, m * d)))


def far_apart(case: Case, opset: int = 17) -> onnx.ModelProto:
    """Images, grids and weights that come from nowhere in common: inputs of their own per level."""
    g = Maker(opset)
    value, locations, weights = g.start(case)
    n, q, m, d, p = case.batch, case.queries, case.heads, case.channels, case.points
    total = ""
    for level, (h, w) in enumerate(case.levels):
        maps = g.op(
            "Relu", g.op("Neg", g.view(g.narrow(value, 1, case.starts[level], h * w), (n, h * w, m * d)))
        )
        maps = g.op(
            "Sub",
            g.op("Relu", g.view(g.narrow(value, 1, case.starts[level], h * w), (n, h * w, m * d))),
            maps,
        )
        image = g.view(g.permute(maps, 0, 2, 1), (n * m, d, h, w))
        grid = g.op("Tanh", g.op("Atan", g.permute(g.select(locations, 3, level), 0, 2, 1, 3, 4)))
        weight = g.op("Sqrt", g.permute(g.select(weights, 3, level), 0, 2, 1, 3))
        weight = g.op("Mul", weight, weight)
        part = g.op(
            "Mul", g.grid_sample(image, g.view(grid, (n * m, q, p, 2))), g.view(weight, (n * m, 1, q, p))
        )
        part = g.sum(part, 3)
        total = g.op("Add", total, part) if total else part
    return g.model(out=g.permute(g.view(total, (n, m * d, q)), 0, 2, 1))


SPELLINGS: dict[str, Callable[[Case], onnx.ModelProto]] = {
    "mmcv": mmcv, "by_level": by_level, "heads_first": heads_first,
    "mmcv_opset20": lambda case: mmcv(case, 20), "by_level_opset18": lambda case: by_level(case, 18),
}  # fmt: skip
