"""A small model that samples a map at computed places, and frames for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.grid_sample import GATHERED_SAMPLES
from specialize.verify import TensorInfo, make_frames, model_inputs
from specialize.verify.frames import Frames
from tests.graphs import GraphMaker

QUERIES, CHANNELS, HEIGHT, WIDTH = 40, 8, 24, 64
WEIGHTED = ("offset projection", "value projection", "output projection")


def sampling_model(opset: int = 17) -> onnx.ModelProto:
    """Return query (Q, C) and image (1, C, h, w) in; samples of the convolved image, projected (Q, C), out.

    The map is steep from pixel to pixel, so that a place that is a little off gives another value.
    """
    make, random = GraphMaker(opset), np.random.default_rng(3)
    query, image = make.input("query", (QUERIES, CHANNELS)), make.input("image", (1, CHANNELS, HEIGHT, WIDTH))
    wave = np.cos(np.pi * np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))) * 4.0  # (h, w)
    kernel = make.const(0.3 * random.standard_normal((CHANNELS, CHANNELS, 1, 1)))
    values = make.op("Add", make.op("Conv", image, kernel), make.const(wave))  # (1, C, h, w)
    offsets = make.op("MatMul", query, make.const(0.02 * random.standard_normal((CHANNELS, 2))))  # (Q, 2)
    places = make.op("Add", offsets, make.const(random.uniform(-0.9, 0.9, (QUERIES, 2))))
    grid = make.op("Reshape", places, make.const([1, QUERIES, 1, 2]))
    attributes = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": 0}
    sampled = make.op("GridSample", values, grid, **attributes)  # (1, C, Q, 1)
    rows = make.op("Transpose", make.op("Reshape", sampled, make.const([CHANNELS, QUERIES])), perm=[1, 0])
    return make.model(out=make.op("MatMul", rows, make.const(random.standard_normal((CHANNELS, CHANNELS)))))


def as_graph(proto: onnx.ModelProto) -> ir.Model:
    """Return a model with types and shapes of all values."""
    model = ir.from_proto(proto)
    folding.evaluate(model)
    return model


def gathering_model() -> ir.Model:
    """Return the same with GridSample written as Gathers of four corners."""
    model = as_graph(sampling_model())
    apply(model, GATHERED_SAMPLES)
    folding.fold(model)
    return model


def write(proto: onnx.ModelProto, folder: Path) -> Path:
    """Write a model into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, folder / "model.onnx")
    return folder / "model.onnx"


def frames(path: Path, count: int = 2) -> Frames:
    """Return seeded frames for a model."""
    return make_frames(model_inputs(path), {}, 0, count)


def operators(model: ir.Model) -> list[str]:
    """Return the operators of a graph, in order."""
    return [node.op_type for node in model.graph]


__all__ = ["TensorInfo", "as_graph", "frames", "gathering_model", "operators", "sampling_model", "write"]
