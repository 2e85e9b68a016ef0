"""A lift-splat model as BEVDet is exported: points outside are dropped, the others sorted, then cells are numbered."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from msgspec import structs

from tests.end_to_end import tiny_lift
from tests.end_to_end.tiny_lift import (
    CAMERAS,
    CHANNELS,
    COLUMNS,
    DEPTHS,
    HEIGHT,
    RANGE_M,
    ROWS,
    WIDTH,
    X_CELLS,
    Y_CELLS,
)
from tests.graphs import GraphMaker

COUNTS = (X_CELLS, Y_CELLS, 1)
POINTS = CAMERAS * DEPTHS * ROWS * COLUMNS
SPEC = structs.replace(tiny_lift.SPEC, name="tiny_kept", inputs={})


def write_kept(folder: Path) -> Path:
    """Write `kept.onnx` and its sidecar into a folder; return the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "kept.onnx"
    onnx.save(kept_model(), path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def kept_model() -> onnx.ModelProto:
    """Return the model: depths and features (N, D + C, h, w) in one input, sums of cells (cells, C) out."""
    make = GraphMaker()
    joint = make.input("joint", (CAMERAS, DEPTHS + CHANNELS, ROWS, COLUMNS))
    coordinates = _coordinates(make, make.input("img2lidar", (1, CAMERAS, 4, 4)))
    low, high = make.const([0, 0, 0]), make.const(np.array(COUNTS))
    inside = make.op("And", make.op("GreaterOrEqual", coordinates, low), make.op("Less", coordinates, high))
    number = make.op("Cast", inside, to=onnx.TensorProto.INT32)
    kept = make.op("Cast", make.op("ReduceMin", number, axes=[1], keepdims=0), to=onnx.TensorProto.BOOL)
    index = make.op("Squeeze", make.op("NonZero", kept), make.const([0]))
    x, y, z = (_column(make, make.op("Gather", coordinates, index, axis=0), axis) for axis in range(3))
    plane = make.op(
        "Add", make.op("Mul", z, make.const(X_CELLS * Y_CELLS)), make.op("Mul", y, make.const(X_CELLS))
    )
    rank = make.op("Add", plane, x)
    real = make.op("Cast", rank, to=onnx.TensorProto.FLOAT)
    _, order = make.ops("TopK", real, make.op("Shape", real), count=2, largest=0)
    sorted_rank, points = (make.op("Gather", each, order) for each in (rank, index))
    depths = make.op("Softmax", _channels(make, joint, 0, DEPTHS), axis=1)
    weights = make.op("Gather", make.op("Reshape", depths, make.const([POINTS, 1])), points)
    by_pixel = make.op("Transpose", _channels(make, joint, DEPTHS, DEPTHS + CHANNELS), perm=[0, 2, 3, 1])
    pixels = np.broadcast_to(
        np.arange(CAMERAS * ROWS * COLUMNS).reshape(CAMERAS, 1, -1), (CAMERAS, DEPTHS, ROWS * COLUMNS)
    )
    features = make.op(
        "Gather",
        make.op("Reshape", by_pixel, make.const([CAMERAS * ROWS * COLUMNS, CHANNELS])),
        make.op("Gather", make.const(pixels.reshape(-1)), points),
    )
    zeros = make.const(np.zeros((math.prod(COUNTS), CHANNELS), np.float32))
    where = make.op("Unsqueeze", sorted_rank, make.const([1]))
    rows = make.op("Mul", weights, features)
    return make.model(bev=make.op("ScatterND", zeros, where, rows, reduction="add"))


def _coordinates(make: GraphMaker, img2lidar: str) -> str:
    """Return the coordinates of the cell of every point (N * D * h * w, 3), through seven axes as BEVDet has them."""
    axes = (
        np.linspace(2.0, 23.0, DEPTHS),
        np.linspace(0, HEIGHT - 1, ROWS),
        np.linspace(0, WIDTH - 1, COLUMNS),
    )
    depth, v, u = np.meshgrid(*axes, indexing="ij")
    points = np.stack([u * depth, v * depth, depth, np.ones_like(depth)], axis=-1)[None, None, ..., None]
    wide = make.op("Reshape", img2lidar, make.const([1, CAMERAS, 1, 1, 1, 4, 4]))
    lidar = make.op("Squeeze", make.op("MatMul", wide, make.const(points)), make.const([6]))  # m
    place = make.op("Slice", lidar, make.const([0]), make.const([3]), make.const([5]))
    low, high = np.array(RANGE_M[:3]), np.array(RANGE_M[3:])
    scaled = make.op("Div", make.op("Sub", place, make.const(low)), make.const((high - low) / COUNTS))
    whole = make.op("Cast", make.op("Floor", scaled), to=onnx.TensorProto.INT64)
    return make.op("Reshape", whole, make.const([POINTS, 3]))


def _column(make: GraphMaker, rows: str, axis: int) -> str:
    return make.op("Gather", rows, make.const(np.array(axis)), axis=1)


def _channels(make: GraphMaker, joint: str, first: int, last: int) -> str:
    return make.op("Slice", joint, make.const([first]), make.const([last]), make.const([1]))
