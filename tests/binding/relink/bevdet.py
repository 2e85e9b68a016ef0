"""BEVDet's view transform in a few nodes: matrices in parts, cells in three axes in the vehicle's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from specialize.model.parts import FrustumSpec
from specialize.model.spec import ImagePrep, ModelSpec
from tests.drafting.graphs import CAMERAS, HEIGHT, WIDTH, Views, frustum

DEPTHS, ROWS, COLUMNS, CHANNELS = 8, 6, 11, 4
LOW, STEP, COUNTS = (-20.0, -16.0, -2.0), (4.0, 4.0, 3.0), (10, 8, 2)
DEPTH_M = (2.0, 30.0)
SPEC = ModelSpec(
    name="bevdet",
    image=ImagePrep(size_px=(WIDTH, HEIGHT), scale=0.44, crop_px=(0.0, 140.0)),
    grids=(),
    calibration_inputs={
        "rots": "cam2ego", "trans": "cam2ego", "intrins": "intrinsic",
        "post_rots": "image_aug", "post_trans": "image_aug",
    },
    frustum=FrustumSpec(
        shape=(DEPTHS, ROWS, COLUMNS), depth_m=DEPTH_M, cells=COUNTS, frame="ego",
        range_m=(-20.0, -16.0, -2.0, 20.0, 16.0, 4.0),
    ),
)  # fmt: skip


def write_bevdet(folder: Path) -> Path:
    """Write the model and its sidecar into a folder; return the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bevdet.onnx"
    onnx.save(bevdet(), path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def bevdet() -> onnx.ModelProto:
    """Return the model: weights (N, D, h, w) and features (N, C, h, w) in, sums of cells (Z * Y * X, C) out."""
    views = Views()
    make, count = views.g, int(np.prod(COUNTS))
    cell = _cells(views, _points_m(views))
    weights = make.input("weights", (CAMERAS, DEPTHS, ROWS, COLUMNS))
    features = make.input("features", (CAMERAS, CHANNELS, ROWS, COLUMNS))
    by_pixel = make.op("Unsqueeze", make.op("Transpose", features, perm=[0, 2, 3, 1]), make.const([1]))
    product = make.op("Mul", make.op("Unsqueeze", weights, make.const([4])), by_pixel)  # (N, D, h, w, C)
    rows = make.op("Reshape", product, make.const([CAMERAS * DEPTHS * ROWS * COLUMNS, CHANNELS]))
    zeros = make.const(np.zeros((count + 1, CHANNELS), np.float32))
    index = make.op("Unsqueeze", cell, make.const([1]))
    added = make.op("ScatterND", zeros, index, rows, reduction="add")
    return make.model(bev=make.op("Slice", added, make.const([0]), make.const([count]), make.const([0])))


def _points_m(views: Views) -> str:
    """Return the points (N, D, h, w, 3) in the vehicle's frame, as BEVDet's `get_lidar_coor` computes them."""
    make, points = views.g, frustum(DEPTHS, ROWS, COLUMNS)
    points[..., 2] = np.linspace(*DEPTH_M, DEPTHS)[:, None, None]
    flat = {
        name: make.op(
            "Squeeze", make.input(name, (1, CAMERAS, *([3] if "trans" in name else [3, 3]))), make.const([0])
        )
        for name in SPEC.calibration_inputs
    }
    sizes, lead, wide = points.shape, [CAMERAS], make.const([CAMERAS, 1, 1, 1, 3])
    moved = make.op("Sub", make.const(points[None]), make.op("Reshape", flat["post_trans"], wide))
    raw = views.applied(views.inverse(flat["post_rots"]), moved, lead, sizes)
    depth = views.part(raw, 2, 3, 4)
    rays = make.op("Concat", make.op("Mul", views.part(raw, 0, 2, 4), depth), depth, axis=4)
    turned = views.applied(make.op("MatMul", flat["rots"], views.inverse(flat["intrins"])), rays, lead, sizes)
    return make.op("Add", turned, make.op("Reshape", flat["trans"], wide))


def _cells(views: Views, points: str) -> str:
    """Return the rank (N * D * h * w,) of every point, z first and x last; the number of cells outside."""
    make, total = views.g, CAMERAS * DEPTHS * ROWS * COLUMNS
    low, step = (make.const(np.array(each, np.float32)) for each in (LOW, STEP))
    scaled = make.op("Div", make.op("Sub", points, low), step)
    index = make.op("Reshape", make.op("Cast", scaled, to=onnx.TensorProto.INT64), make.const([total, 3]))
    fits = make.op(
        "And",
        make.op("GreaterOrEqual", index, make.const(0)),
        make.op("Less", index, make.const(np.array(COUNTS))),
    )
    number = make.op("Cast", fits, to=onnx.TensorProto.INT32)
    kept = make.op("Cast", make.op("ReduceMin", number, axes=[1], keepdims=0), to=onnx.TensorProto.BOOL)
    x, y, z = (
        make.op("Reshape", views.part(index, axis, axis + 1, 1), make.const([total])) for axis in range(3)
    )
    plane = make.op("Mul", z, make.const(COUNTS[0] * COUNTS[1]))
    rank = make.op("Add", make.op("Add", plane, make.op("Mul", y, make.const(COUNTS[0]))), x)
    return make.op("Where", kept, rank, make.const(int(np.prod(COUNTS))))
