"""The model of `tiny_model` for four raw images, projecting by matrices: what lenses can be baked into."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from specialize.model.parts import ImagePrep, InputRule
from specialize.model.spec import GridSpec, ModelSpec
from tests.end_to_end.lens_model import CAMERAS, HEIGHT, WIDTH
from tests.end_to_end.tiny_model import CHANNELS, COLUMNS, GRID, ROWS, attention
from tests.graphs import GraphMaker

Extra = Literal["", "depth", "matrix"]
"""What else the rest of the model reads: nothing, the depth of points, or the matrices themselves."""

SPEC = ModelSpec(
    name="tiny_raw",
    image=ImagePrep(size_px=(WIDTH, HEIGHT), scale=0.5),
    calibration_inputs={"lidar2img": "lidar2img"},
    grids=(GridSpec(shape=GRID.shape, range_m=GRID.range_m, anchors=GRID.anchors),),
    inputs={"query": InputRule(scale=0.5)},
)


def write_raw_model(folder: Path, extra: Extra = "", by_query: bool = False) -> Path:
    """Write the model and its sidecar into a folder; return the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "raw.onnx"
    onnx.save(raw_model(extra, by_query), path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def raw_model(extra: Extra = "", by_query: bool = False) -> onnx.ModelProto:
    """Return the model: query (1, Q, C) and features (N, C, h, w) in, the mean over cameras (Q, C) out.

    Args:
        extra: What else is read of the calibration, and added to the queries.
        by_query: Whether points are projected in the order of BEVFormer's code, anchors first.
    """
    make = GraphMaker()
    query = make.input("query", (1, GRID.queries, CHANNELS))
    features = make.input("features", (CAMERAS, CHANNELS, ROWS, COLUMNS))
    matrices = make.input("lidar2img", (1, CAMERAS, 4, 4))
    projected = _by_anchor(make, matrices) if by_query else _flat(make, matrices)  # (N, 4, Q, D)
    depth = _row(make, projected, 2)  # (N, 1, Q, D)
    safe = make.op("Max", depth, make.const(1e-5))
    seen = make.op("Greater", depth, make.const(1e-5))
    shares = []
    for axis, size in enumerate((WIDTH, HEIGHT)):
        share = make.op("Div", make.op("Div", _row(make, projected, axis), safe), make.const(float(size)))
        shares.append(share)
        for test, bound in (("Greater", 0.0), ("Less", 1.0)):
            seen = make.op("And", seen, make.op(test, share, make.const(bound)))
    number = make.op("Squeeze", make.op("Cast", seen, to=onnx.TensorProto.FLOAT), make.const([1]))
    mask = make.op("ReduceMax", number, axes=[2], keepdims=1)  # (N, Q, 1)
    both = make.op("Concat", *(_first(make, share) for share in shares), axis=2)  # (N, Q, 2), 0 to 1
    doubled = make.op("Mul", make.op("Clip", both, make.const(-1.0), make.const(2.0)), make.const(2.0))
    places = make.op("Sub", doubled, make.const(1.0))
    if extra == "depth":
        query = make.op("Add", query, make.op("ReduceMean", _first(make, depth), axes=[0, 1], keepdims=1))
    if extra == "matrix":
        query = make.op("Add", query, make.op("ReduceMean", matrices, axes=[0, 1, 2, 3], keepdims=0))
    return make.model(bev=attention(make, query, features, mask, places, cameras=CAMERAS))


def _flat(make: GraphMaker, matrices: str) -> str:
    """Return (N, 4, Q, D) projected points, the points being columns of one matrix."""
    points = GRID.points().reshape(-1, 3)
    flat = np.concatenate([points, np.ones((len(points), 1))], axis=1).T  # (4, Q * D)
    moved = make.op("MatMul", matrices, make.const(flat))  # (1, N, 4, Q * D)
    return make.op("Reshape", moved, make.const([CAMERAS, 4, GRID.queries, GRID.anchors]))


def _by_anchor(make: GraphMaker, matrices: str) -> str:
    """Return the same, projected as (D, N, Q, 4, 1)."""
    points = GRID.points()
    whole = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)  # (Q, D, 4)
    lifted = make.const(whole.transpose(1, 0, 2)[:, None, :, :, None])  # (D, 1, Q, 4, 1)
    each = make.op("Unsqueeze", make.op("Squeeze", matrices, make.const([0])), make.const([0, 2]))
    moved = make.op("MatMul", each, lifted)  # (D, N, Q, 4, 1)
    return make.op("Transpose", make.op("Squeeze", moved, make.const([4])), perm=[1, 3, 2, 0])


def _row(make: GraphMaker, projected: str, row: int) -> str:
    return make.op("Slice", projected, make.const([row]), make.const([row + 1]), make.const([1]))


def _first(make: GraphMaker, value: str) -> str:
    """Return (N, Q, 1), the first anchor of values (N, 1, Q, D)."""
    first = make.op("Slice", value, make.const([0]), make.const([1]), make.const([3]))
    return make.op("Reshape", first, make.const([CAMERAS, GRID.queries, 1]))
