"""The model of `tiny_model` for raw images of MEI lenses, with either rule that such models have in the field."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from specialize.model.parts import ImagePrep, InputRule, LensSpec
from specialize.model.spec import GridSpec, InputKind, ModelSpec
from tests.end_to_end.tiny_model import CHANNELS, COLUMNS, GRID, ROWS, attention
from tests.graphs import GraphMaker

CAMERAS, WIDTH, HEIGHT = 4, 704, 704
NUMBERS = ("k1", "k2", "p1", "p2", "xi", "max_angle")
"""As FishBEVOD packs them, and the angle."""

Rule = Literal["angle", "formula"]


def spec(rule: Rule) -> ModelSpec:
    """Return the sidecar."""
    return ModelSpec(
        name=f"tiny_mei_{rule}",
        image=ImagePrep(size_px=(WIDTH, HEIGHT), scale=0.5),
        calibration_inputs={
            "lidar2cam": "lidar2cam",
            "K": "network_lens_matrix",
            "D": InputKind(kind="lens", parameters=NUMBERS),
        },
        grids=(GridSpec(shape=GRID.shape, range_m=GRID.range_m, anchors=GRID.anchors),),
        lens=LensSpec(model="mei", domain=rule),
        inputs={"query": InputRule(scale=0.5)},
    )


def write_lens_model(folder: Path, rule: Rule = "angle") -> Path:
    """Write the model and its sidecar into a folder; return the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mei_{rule}.onnx"
    onnx.save(lens_model(rule), path)
    path.with_suffix(".model.yaml").write_text(spec(rule).to_text())
    return path


def lens_model(rule: Rule) -> onnx.ModelProto:
    """Return the model: query (1, Q, C) and features (N, C, h, w) in, the mean over cameras (Q, C) out."""
    make = GraphMaker()
    query = make.input("query", (1, GRID.queries, CHANNELS))
    features = make.input("features", (CAMERAS, CHANNELS, ROWS, COLUMNS))
    pose = make.input("lidar2cam", (1, CAMERAS, 4, 4))
    k, d = make.input("K", (1, CAMERAS, 3, 3)), make.input("D", (1, CAMERAS, len(NUMBERS)))
    seen, places = _sample(make, pose, k, d, rule)
    return make.model(bev=attention(make, query, features, seen, places, cameras=CAMERAS))


def _sample(make: GraphMaker, pose: str, k: str, d: str, rule: Rule) -> tuple[str, str]:
    """Return a mask (N, Q, 1), 1 where a query is seen, and places (N, Q, 2) of its first points."""
    points = GRID.points().reshape(-1, 3)
    flat = np.concatenate([points, np.ones((len(points), 1))], axis=1).T  # (4, P)
    moved = make.op("MatMul", pose, make.const(flat))  # (1, N, 4, P)
    x, y, z = (_slice(make, moved, row, 2) for row in range(3))  # (1, N, 1, P)
    k1, k2, p1, p2, xi, widest = (
        make.op("Unsqueeze", _slice(make, d, place, 2), make.const([3])) for place in range(len(NUMBERS))
    )  # (1, N, 1, 1)

    def times(*factors: str) -> str:
        found = factors[0]
        for factor in factors[1:]:
            found = make.op("Mul", found, factor)
        return found

    def plus(*terms: str) -> str:
        found = terms[0]
        for term in terms[1:]:
            found = make.op("Add", found, term)
        return found

    distance = make.op("Sqrt", plus(times(x, x), times(y, y), times(z, z)))
    depth = plus(z, times(xi, distance))
    safe = make.op("Max", depth, make.const(1e-5))
    a, b = make.op("Div", x, safe), make.op("Div", y, safe)
    r2 = plus(times(a, a), times(b, b))
    gain, two = plus(make.const(1.0), times(k1, r2), times(k2, r2, r2)), make.const(2.0)
    u = plus(times(a, gain), times(two, p1, a, b), times(p2, plus(r2, times(two, a, a))))
    v = plus(times(b, gain), times(p1, plus(r2, times(two, b, b))), times(two, p2, a, b))
    if rule == "formula":
        seen = make.op("Greater", depth, make.const(1e-5))
    else:
        seen = make.op("Greater", z, times(distance, make.op("Cos", widest)))
    shares = []
    for axis, (place, size) in enumerate(((u, WIDTH), (v, HEIGHT))):
        row = _slice(make, k, axis, 2)  # (1, N, 1, 3)
        focal, centre = _slice(make, row, axis, 3), _slice(make, row, 2, 3)  # (1, N, 1, 1)
        share = make.op("Div", plus(times(place, focal), centre), make.const(float(size)))
        shares.append(make.op("Reshape", share, make.const([CAMERAS, GRID.queries, GRID.anchors])))
        for condition in (
            make.op("Greater", share, make.const(0.0)),
            make.op("Less", share, make.const(1.0)),
        ):
            seen = make.op("And", seen, condition)
    number = make.op("Cast", seen, to=onnx.TensorProto.FLOAT)
    grouped = make.op("Reshape", number, make.const([CAMERAS, GRID.queries, GRID.anchors]))
    both = make.op("Concat", *(_slice(make, share, 0, 2) for share in shares), axis=2)  # (N, Q, 2), 0 to 1
    doubled = make.op("Mul", make.op("Clip", both, make.const(-1.0), make.const(2.0)), make.const(2.0))
    return make.op("ReduceMax", grouped, axes=[2], keepdims=1), make.op("Sub", doubled, make.const(1.0))


def _slice(make: GraphMaker, value: str, place: int, axis: int) -> str:
    return make.op("Slice", value, make.const([place]), make.const([place + 1]), make.const([axis]))
