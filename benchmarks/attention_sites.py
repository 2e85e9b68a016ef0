"""Attention sites of the packaged models on car42, as inputs and graphs to be timed in equal formulations.

Places are the reference points of the visible queries plus seeded offsets of a few pixels; features and weights are
seeded. A graph reads features, places and weights, and gives one row per visible pair: the sampling of a site, without
projections, softmax and the sum over cameras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.attention.operator import Attention, Sizes, make_attention
from specialize.bench import Subject
from specialize.calibration.load import load_profile
from specialize.graph.builder import Builder
from specialize.graph.io import write_graph
from specialize.graph.snippets import scaled, slice_of
from specialize.lowering.attention import lower_deformable_attention
from specialize.lowering.levels import flat_of, level_image, per_head
from specialize.model.visible import visible_sets
from specialize.passes.clean_up import tidy
from specialize.zoo import spec

ROOT = Path(__file__).resolve().parents[1]
ALONE = "GridSample alone"
"""Form that samples, and keeps one number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One attention site of a model.

    Attributes:
        model: Whose sidecar says what cameras see.
        grid: Which of the model's grids.
        levels: Height and width of its maps.
        points: Points per head and level.
        channels: Of one head; there are eight heads.
        layout: `ragged`, or `padded`: all cameras in one operator.
        multiple: Rows of a camera are rounded up to a multiple of this.
        step: Every how many rows and columns of the grid one is taken.
    """

    model: str
    grid: int = 0
    levels: tuple[tuple[int, int], ...]
    points: int = 8
    channels: int = 32
    layout: str = "ragged"
    multiple: int = 1
    step: int = 1


BASE = ((116, 200), (58, 100), (29, 50), (15, 25))
SITES = {
    "bevformer_tiny": Site(model="bevformer_tiny", levels=((15, 25),)),
    "bevformer_small": Site(model="bevformer_small", levels=((23, 40),)),
    "bevformer_base": Site(model="bevformer_base", levels=BASE),
    "bevformer_base, every fourth cell": Site(model="bevformer_base", levels=BASE, step=2),
    "surroundocc, second volume": Site(model="surroundocc", grid=1, levels=((58, 100),), points=4),
    "bevformer_tiny, padded": Site(model="bevformer_tiny", levels=((15, 25),), layout="padded"),
    "bevformer_tiny, tables": Site(model="bevformer_tiny", levels=((15, 25),), multiple=32),
}
HEADS = 8


def look(site: Site) -> tuple[np.ndarray, np.ndarray]:
    """Return where points fall, (N, Q, D, 2) as fractions of the image, and what is seen, (N, Q)."""
    about, profile = spec(site.model), load_profile(ROOT / "calib_profiles" / "car42.yaml")
    plan = visible_sets(about, profile)[site.grid]
    places = np.clip(np.nan_to_num(plan.reference_points(), nan=-9.0), -9.0, 9.0)
    cells = np.arange(plan.seen.shape[1]).reshape(about.grids[site.grid].shape)
    kept = cells[:: site.step, :: site.step].reshape(-1)
    return places[:, kept], plan.seen[:, kept]


def rounded(count: int, multiple: int) -> int:
    """Return a count rounded up to a multiple."""
    return math.ceil(count / multiple) * multiple


def rows_of(points: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Return the points of some queries, (count, D, 2), the last one repeated."""
    chosen = np.flatnonzero(rows)
    return np.asarray(points[np.append(chosen, np.repeat(chosen[-1:], count - len(chosen)))])


def feed(site: Site, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return seeded features, places around the points of each camera's rows, and weights."""
    random = np.random.default_rng(0)
    places = sum(height * width for height, width in site.levels)
    shape = (sum(map(len, rows)), HEADS, len(site.levels), site.points)
    references = np.concatenate(rows)  # (V, D, 2)
    anchors = np.arange(site.points) % references.shape[1]
    sizes = np.array([(width, height) for height, width in site.levels], dtype=np.float64)
    offsets = random.normal(0.0, 2.0, (*shape, 2)) / sizes[:, None]
    weights = random.random(shape)
    return {
        "value": random.normal(size=(len(rows), places, HEADS * site.channels)).astype(np.float32),
        "locations": (references[:, None, None, anchors] + offsets).astype(np.float32).reshape(shape[0], -1),
        "weights": (weights / weights.sum((2, 3), keepdims=True)).astype(np.float32).reshape(shape[0], -1),
    }


def write_subject(
    site: Site, fed: dict[str, np.ndarray], lengths: list[int], form: str, path: Path, batched: bool = False
) -> Subject:
    """Write a site in one form as a model of its own, and return it with what it is fed."""
    write_graph(_model(site, lengths, fed, batched or site.layout == "padded", form), path)
    return Subject(path, fed)


def _model(site: Site, lengths: list[int], feed: dict[str, np.ndarray], batched: bool, form: str) -> ir.Model:
    """Return a graph with one attention per camera, or one for all, in one form."""
    inputs = [
        ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(ir.DataType.FLOAT))
        for name, array in feed.items()
    ]
    end = ir.node("Identity", [inputs[0]])
    end.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(
        inputs, end.outputs, nodes=[end], opset_imports={"": 17, "com.microsoft": 1}, name="site"
    )
    model = ir.Model(graph, ir_version=10)
    builder = Builder(graph, end, "site", {})
    counts = [sum(lengths) // len(lengths)] if batched else lengths
    batch = len(lengths) if batched else 1
    pieces = []
    for camera, count in enumerate(counts):
        sizes = Sizes(batch, count, HEADS, site.points, site.channels, site.levels)
        value = slice_of(builder, inputs[0], 0, camera, batch)
        start = sum(counts[:camera])
        locations, weights = (slice_of(builder, each, 0, start, batch * count) for each in inputs[1:])
        attention = Attention(
            sizes, builder.reshape(value, sizes.value), builder.reshape(locations, sizes.locations),
            builder.reshape(weights, sizes.weights),
        )  # fmt: skip
        made = _sampled(builder, attention) if form == ALONE else make_attention(builder, attention)
        pieces.append(builder.reshape(made, [batch * count, -1]) if form != ALONE else made)
    width = HEADS * site.channels if form != ALONE else 1
    joined = builder.node("Concat", pieces, [sum(lengths) if form != ALONE else len(pieces), width], axis=0)
    end.replace_input_with(0, joined)
    end.outputs[0].shape = joined.shape
    if form != ALONE:
        lower_deformable_attention(model, form)
    tidy(model)
    return model


def _sampled(builder: Builder, attention: Attention) -> ir.Value:
    """Return one number of what GridSample reads on every level, so that nothing else is computed, (1, 1)."""
    sizes = attention.sizes
    batch = sizes.batch * sizes.heads
    grids = scaled(builder, builder.reshape(attention.locations, flat_of(sizes, 2)), 2.0, -1.0)
    total: ir.Value | None = None
    for level, (height, width) in enumerate(sizes.levels):
        image = builder.reshape(
            level_image(builder, attention, level), [batch, sizes.channels, height, width]
        )
        grid = per_head(builder, grids, sizes, level, 2, [batch, sizes.queries, sizes.points, 2])
        shape = [batch, sizes.channels, sizes.queries, sizes.points]
        read = builder.node(
            "GridSample", [image, grid], shape, mode="bilinear", padding_mode="zeros", align_corners=0
        )
        for axis in range(4):
            read = slice_of(builder, read, axis, 0, 1)
        one = builder.reshape(read, [1, 1])
        total = one if total is None else builder.node("Add", [total, one], [1, 1])
    assert total is not None
    return total
