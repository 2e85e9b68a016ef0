"""A camera-to-BEV model of a few kilobytes: real points, real masks, one point of deformable attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from specialize.model.parts import ImagePrep, InputRule
from specialize.model.spec import GridSpec, ModelSpec
from specialize.visibility.grid import QueryGrid
from tests.graphs import GraphMaker

CAMERAS, CHANNELS, ROWS, COLUMNS = 6, 4, 5, 9
WIDTH, HEIGHT = 800, 450
GRID = QueryGrid(shape=(6, 8), range_m=(-20.0, -15.0, -2.0, 20.0, 15.0, 1.0), anchors=2)
SPEC = ModelSpec(
    name="tiny",
    image=ImagePrep(size_px=(WIDTH, HEIGHT), scale=0.5),
    calibration_inputs={"lidar2img": "lidar2img"},
    grids=(GridSpec(shape=GRID.shape, range_m=GRID.range_m, anchors=GRID.anchors),),
    inputs={"query": InputRule(scale=0.5)},
)


def write_tiny(folder: Path) -> Path:
    """Write `tiny.onnx` and its sidecar into a folder; return the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.onnx"
    onnx.save(tiny_model(), path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def tiny_model(wide: bool = False, embedded: bool = False) -> onnx.ModelProto:
    """Return the model: query (1, Q, C) and features (N, C, h, w) in, the mean over cameras (Q, C) out.

    Args:
        wide: Whether the places are float64, as exporters leave them, so that no runtime opens the model.
        embedded: Whether queries are constants of the model and no input.
    """
    make = GraphMaker()
    shape = (1, GRID.queries, CHANNELS)
    contents = np.random.default_rng(8).standard_normal(shape)
    query = make.const(contents) if embedded else make.input("query", shape)
    features = make.input("features", (CAMERAS, CHANNELS, ROWS, COLUMNS))
    seen, places = sample_points(make, make.input("lidar2img", (1, CAMERAS, 4, 4)))
    return make.model(bev=attention(make, query, features, seen, places, wide))


def attention(
    make: GraphMaker,
    query: str,
    features: str,
    seen: str,
    places: str,
    wide: bool = False,
    cameras: int = CAMERAS,
) -> str:
    """Return (Q, C): one point of deformable attention per pair, the mean over the cameras that see a query."""
    queries = GRID.queries
    random = np.random.default_rng(7)
    rows = make.op("Expand", query, make.const([cameras, queries, CHANNELS]))
    offsets = make.op("MatMul", rows, make.const(0.1 * random.standard_normal((CHANNELS, 2))))  # (N, Q, 2)
    where = make.op("Unsqueeze", make.op("Add", places, offsets), make.const([2]))  # (N, Q, 1, 2)
    if wide:
        double = make.op("Cast", where, to=onnx.TensorProto.DOUBLE)
        where = make.op("Add", double, make.const(np.array(1e-9), np.float64))
    attributes = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": 0}
    sampled = make.op("GridSample", features, where, **attributes)  # (N, C, Q, 1)
    worked = make.op("Transpose", make.op("Squeeze", sampled, make.const([3])), perm=[0, 2, 1])  # (N, Q, C)
    mixed = make.op("MatMul", worked, make.const(random.standard_normal((CHANNELS, CHANNELS))))
    total = make.op("ReduceSum", make.op("Mul", mixed, seen), make.const([0]), keepdims=0)  # (Q, C)
    count = make.op("ReduceSum", seen, make.const([0]), keepdims=0)  # (Q, 1)
    return make.op("Div", total, make.op("Max", count, make.const(1.0)))


def sample_points(make: GraphMaker, lidar2img: str) -> tuple[str, str]:
    """Return a mask (N, Q, 1), 1 where a query is seen, and places (N, Q, 2) of its first points."""
    points = GRID.points().reshape(-1, 3)  # (Q * D, 3), lidar frame, m
    flat = np.concatenate([points, np.ones((len(points), 1))], axis=1).T  # (4, Q * D)
    projected = make.op("MatMul", lidar2img, make.const(flat))  # (1, N, 4, Q * D)
    u, v, depth = (_row(make, projected, row) for row in range(3))  # (1, N, 1, Q * D) each
    seen = make.op("Greater", depth, make.const(1e-5))
    shares = []
    for place, size in ((u, WIDTH), (v, HEIGHT)):
        safe = make.op("Max", depth, make.const(1e-5))
        share = make.op("Div", place, make.op("Mul", safe, make.const(float(size))))
        shares.append(make.op("Reshape", share, make.const([CAMERAS, GRID.queries, GRID.anchors])))
        for condition in (
            make.op("Greater", share, make.const(0.0)),
            make.op("Less", share, make.const(1.0)),
        ):
            seen = make.op("And", seen, condition)
    number = make.op("Cast", seen, to=onnx.TensorProto.FLOAT)
    grouped = make.op("Reshape", number, make.const([CAMERAS, GRID.queries, GRID.anchors]))
    both = make.op("Concat", *(_first(make, share) for share in shares), axis=2)  # (N, Q, 2), 0 to 1
    doubled = make.op("Mul", make.op("Clip", both, make.const(-1.0), make.const(2.0)), make.const(2.0))
    return make.op("ReduceMax", grouped, axes=[2], keepdims=1), make.op("Sub", doubled, make.const(1.0))


def _row(make: GraphMaker, matrix: str, row: int) -> str:
    return make.op("Slice", matrix, make.const([row]), make.const([row + 1]), make.const([2]))


def _first(make: GraphMaker, anchors: str) -> str:
    return make.op("Slice", anchors, make.const([0]), make.const([1]), make.const([2]))
