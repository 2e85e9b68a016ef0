"""A camera-to-BEV model with work before its site, work behind it, and a calibration that is read once more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from tests.end_to_end.tiny_model import CAMERAS, CHANNELS, COLUMNS, GRID, ROWS, SPEC, attention, sample_points
from tests.graphs import GraphMaker


def write_cut(folder: Path, again: bool = False, seed: int = 5, twice: bool = False) -> Path:
    """Write `cut.onnx` and its sidecar into a folder; return the model's path.

    Args:
        folder: Where they are written.
        again: Whether what follows the site reads the calibration once more.
        seed: Of the weights outside the site.
        twice: Whether a second site follows the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cut.onnx"
    onnx.save(cut_model(again, seed, twice), path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def cut_model(again: bool = False, seed: int = 5, twice: bool = False) -> onnx.ModelProto:
    """Return the model: query (1, Q, C) and features (N, C, h, w) in, (Q, C) out."""
    make, random = GraphMaker(), np.random.default_rng(seed)
    before, behind = (make.const(random.standard_normal((CHANNELS, CHANNELS))) for _ in range(2))
    query = make.op("Tanh", make.op("MatMul", make.input("query", (1, GRID.queries, CHANNELS)), before))
    features = make.op("Relu", make.input("features", (CAMERAS, CHANNELS, ROWS, COLUMNS)))
    matrices = make.input("lidar2img", (1, CAMERAS, 4, 4))
    seen, places = sample_points(make, matrices)
    result = make.op("MatMul", attention(make, query, features, seen, places), behind)  # (Q, C)
    if twice:
        query = make.op("Unsqueeze", make.op("Tanh", result), make.const([0]))  # (1, Q, C)
        result = make.op("MatMul", attention(make, query, features, seen, places), behind)
    if again:
        embedded = make.op("ReduceMean", make.op("Tanh", matrices), axes=[1, 2, 3], keepdims=0)  # (1,)
        result = make.op("Mul", make.op("Sigmoid", result), make.op("Exp", embedded))
    return make.model(bev=make.op("Sigmoid", result))
