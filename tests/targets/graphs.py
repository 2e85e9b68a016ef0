"""Small graphs that toolchains are asked about."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph import folding
from specialize.targets.base import BuildFacts
from tests.attention.graphs import Maker
from tests.graphs import GraphMaker

FACTS = BuildFacts(
    vehicle="van 'quoted' 12", cameras=("front", "rear left"), lengths=((3, 2), (4, 4)), profile="sha256:ab",
    plan="sha256:cd",
)  # fmt: skip


def read(maker: GraphMaker, **outputs: str) -> ir.Model:
    """Return a graph with its shapes inferred."""
    model = ir.from_proto(maker.model(**outputs))
    folding.evaluate(model)
    return model


def rank_six() -> ir.Model:
    """A broadcast addition of rank 6."""
    g = GraphMaker()
    return read(g, out=g.op("Add", g.input("x", (2, 5, 8, 1, 4, 2)), g.input("y", (2, 5, 1, 1, 4, 2))))


def non_zero() -> ir.Model:
    """A shape that depends on data."""
    g = GraphMaker()
    return read(g, out=g.op("NonZero", g.input("mask", (6, 20))))


def scatter_add() -> ir.Model:
    """A scatter that adds."""
    g = GraphMaker()
    index, zeros = g.const(np.array([[0], [2], [2]])), g.const(np.zeros((4, 3)))
    return read(g, out=g.op("ScatterND", zeros, index, g.input("x", (3, 3)), reduction="add"))


def scatter_elements_add() -> ir.Model:
    """A scatter by element that adds."""
    g = GraphMaker()
    index, zeros = g.const(np.zeros((3, 3), np.int64)), g.const(np.zeros((4, 3)))
    return read(g, out=g.op("ScatterElements", zeros, index, g.input("x", (3, 3)), axis=0, reduction="add"))


def gather_2d() -> ir.Model:
    """A gather with indices of two axes."""
    g = GraphMaker()
    return read(g, out=g.op("Gather", g.input("x", (1, 9, 4)), g.const(np.array([[0, 1], [3, 2]])), axis=1))


def camera_sum() -> ir.Model:
    """A sum over cameras times the inverse count: what one toolchain computes wrong."""
    g = GraphMaker()
    total = g.op("ReduceSum", g.input("x", (6, 9, 4)), g.const([0]), keepdims=1)
    return read(g, out=g.op("Mul", total, g.const(np.full((1, 9, 1), 0.5))))


def point_sum() -> ir.Model:
    """The same sum over another axis."""
    g = GraphMaker()
    total = g.op("ReduceSum", g.input("x", (1, 9, 2, 4)), g.const([2]), keepdims=0)
    return read(g, out=g.op("Mul", total, g.const(np.full((1, 9, 1), 0.5))))


def volume_sampling() -> ir.Model:
    """A GridSample of volumes."""
    g = GraphMaker()
    return read(g, out=g.op("GridSample", g.input("x", (1, 2, 3, 3, 3)), g.input("grid", (1, 2, 2, 2, 3))))


def layer_norm_inside() -> ir.Model:
    """A LayerNormalization over the two last axes."""
    g = GraphMaker()
    ones, zeros = g.const(np.ones((4, 5))), g.const(np.zeros((4, 5)))
    return read(g, out=g.op("LayerNormalization", g.input("x", (2, 4, 5)), ones, zeros, axis=1))


def attention_block(queries: int = 6) -> ir.Model:
    """A whole block: projections to offsets and weights, sampling, a norm, a gather with known rows, a rotation."""
    g = Maker(17)
    random = np.random.default_rng(0)
    n, m, d, p, h, w = 2, 2, 4, 3, 3, 5
    x = g.input("query", (n, queries, m * d))
    value = g.op("MatMul", g.input("value", (n, h * w, m * d)), g.const(random.normal(size=(m * d, m * d))))
    offsets = g.op("MatMul", x, g.const(random.normal(size=(m * d, m * p * 2))))
    places = g.view(
        g.op("Div", offsets, g.const(np.tile([w, h], m * p).astype(np.float32))), (n, queries, m, 1, p, 2)
    )
    places = g.op("Add", places, g.const(random.random((1, queries, 1, 1, 1, 2))))
    logits = g.op("MatMul", x, g.const(random.normal(size=(m * d, m * p))))
    weights = g.op("Softmax", g.view(logits, (n, queries, m, p)), axis=-1)
    image = g.view(g.permute(value, 0, 2, 1), (n * m, d, h, w))
    grid = g.op("Sub", g.op("Mul", places, g.const(2.0)), g.const(1.0))
    grid = g.view(g.permute(g.op("Squeeze", grid, g.const([3])), 0, 2, 1, 3, 4), (n * m, queries, p, 2))
    weight = g.view(g.permute(weights, 0, 2, 1, 3), (n * m, 1, queries, p))
    read_ = g.sum(g.op("Mul", g.grid_sample(image, grid), weight), 3)
    out = g.op("Add", x, g.permute(g.view(read_, (n, m * d, queries)), 0, 2, 1))
    ones, zeros = g.const(np.ones(m * d)), g.const(np.zeros(m * d))
    out = g.op("LayerNormalization", out, ones, zeros, axis=-1)
    turned = g.grid_sample(
        g.input("earlier", (1, 4, 5, 5)), g.const(random.uniform(-1.2, 1.2, (1, 5, 5, 2))), mode="nearest"
    )
    model = ir.from_proto(g.model(out=g.op("Gather", out, g.const([0, 2, 3, 5, 1]), axis=1), turned=turned))
    folding.fold(model)
    return model
