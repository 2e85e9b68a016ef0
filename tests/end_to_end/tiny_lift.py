"""A lift-splat model of a few kilobytes: every pixel of a small map is lifted to some depths and added to a cell."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from msgspec import structs

from specialize.model.parts import CellsSpec, FrustumSpec
from specialize.model.spec import ImagePrep, ModelSpec
from tests.graphs import GraphMaker

CAMERAS, CHANNELS = 6, 4
DEPTHS, ROWS, COLUMNS = 8, 6, 8
WIDTH, HEIGHT = 800, 450
X_CELLS, Y_CELLS = 8, 7
Box = tuple[float, float, float, float, float, float]
RANGE_M: Box = (-16.0, -14.0, -1000.0, 16.0, 14.0, 1000.0)
SPEC = ModelSpec(
    name="tiny_lift",
    image=ImagePrep(size_px=(WIDTH, HEIGHT), scale=0.5),
    calibration_inputs={"img2lidar": "img2lidar"},
    grids=(),
    frustum=FrustumSpec(
        shape=(DEPTHS, ROWS, COLUMNS),
        depth_m=(2.0, 23.0),
        cells=(X_CELLS, Y_CELLS, 1),
        range_m=RANGE_M,
        cut="down",
    ),
)


def write_lift(folder: Path, order: str = "yx", second: tuple[int, int] | None = None) -> Path:
    """Write `lift.onnx` and its sidecar into a folder; return the model's path; see `lift_model`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lift.onnx"
    onnx.save(lift_model(order, second), path)
    path.with_suffix(".model.yaml").write_text(spec_of(second).to_text())
    return path


def spec_of(second: tuple[int, int] | None, range_m: Box = RANGE_M) -> ModelSpec:
    """Return the sidecar of a model that adds its points to a second number of cells as well, in a box."""
    assert SPEC.frustum is not None
    if second in (None, (X_CELLS, Y_CELLS)):
        return SPEC
    other = CellsSpec(cells=(*second, 1), range_m=range_m)
    return structs.replace(SPEC, frustum=structs.replace(SPEC.frustum, other_cells=(other,)))


def lift_model(order: str = "yx", second: tuple[int, int] | None = None) -> onnx.ModelProto:
    """Return the model: weights (N, D, h, w) and features (N, C, h, w) in, sums of cells (cells, C) out.

    Args:
        order: The axes that cells are counted by, slowest first.
        second: Number of cells along x and y that the same points are added to once more, with features of their own.
    """
    make, sizes = GraphMaker(), {"bev": (X_CELLS, Y_CELLS)} | ({"second": second} if second else {})
    weights = make.input("weights", (CAMERAS, DEPTHS, ROWS, COLUMNS))
    img2lidar = make.input("img2lidar", (1, CAMERAS, 4, 4))
    outputs = {}
    for name, (x_cells, y_cells) in sizes.items():
        features = make.input("features" + name.removeprefix("bev"), (CAMERAS, CHANNELS, ROWS, COLUMNS))
        cells = cells_of(make, img2lidar, order, (x_cells, y_cells))
        outputs[name] = _pooled(make, weights, features, cells, x_cells * y_cells)
    return make.model(**outputs)


def _pooled(make: GraphMaker, weights: str, features: str, cells: str, count: int) -> str:
    """Return the sums (cells, C)."""
    by_pixel = make.op("Transpose", features, perm=[0, 2, 3, 1])  # (N, h, w, C)
    product = make.op(
        "Mul", make.op("Unsqueeze", weights, make.const([4])), make.op("Unsqueeze", by_pixel, make.const([1]))
    )  # (N, D, h, w, C)
    rows = make.op("Reshape", product, make.const([CAMERAS * DEPTHS * ROWS * COLUMNS, CHANNELS]))
    zeros = make.const(np.zeros((count + 1, CHANNELS), np.float32))
    added = make.op("ScatterND", zeros, make.op("Unsqueeze", cells, make.const([1])), rows, reduction="add")
    return make.op("Slice", added, make.const([0]), make.const([count]), make.const([0]))


def cells_of(
    make: GraphMaker, img2lidar: str, order: str, counts: tuple[int, int] = (X_CELLS, Y_CELLS)
) -> str:
    """Return the cell of every point (N * D * h * w,), counted in an order; X * Y outside."""
    axes = (
        np.linspace(2.0, 23.0, DEPTHS),
        np.linspace(0, HEIGHT - 1, ROWS),
        np.linspace(0, WIDTH - 1, COLUMNS),
    )
    depth, v, u = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    points = np.stack([u * depth, v * depth, depth, np.ones_like(depth)])  # (4, D * h * w)
    lidar = make.op("MatMul", img2lidar, make.const(points))  # (1, N, 4, D * h * w), m
    inside, number = "", make.const(0)
    for row, size in (("xy".index(axis), counts["xy".index(axis)]) for axis in order):
        low, high = RANGE_M[row], RANGE_M[row + 3]
        place = make.op("Slice", lidar, make.const([row]), make.const([row + 1]), make.const([2]))
        scaled = make.op("Div", make.op("Sub", place, make.const(low)), make.const((high - low) / size))
        index = make.op("Cast", make.op("Floor", scaled), to=onnx.TensorProto.INT64)
        fits = make.op(
            "And",
            make.op("GreaterOrEqual", index, make.const(0)),
            make.op("Less", index, make.const(size)),
        )
        inside = make.op("And", inside, fits) if inside else fits
        number = make.op("Add", make.op("Mul", number, make.const(size)), index)
    cell = make.op("Where", inside, number, make.const(math.prod(counts)))
    return make.op("Reshape", cell, make.const([CAMERAS * math.prod((DEPTHS, ROWS, COLUMNS))]))
