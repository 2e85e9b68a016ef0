"""A model is cut behind its features, which are told by their axis of cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from specialize.verify.cut import cut
from tests.graphs import GraphMaker

CAMERAS = 4


def test_the_shape_of_features_is_not_taken_for_features(tmp_path: Path) -> None:
    """Of four cameras' features with four axes the shape has four numbers, too; it is computed in the head."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, 3, 6, 8))
    features = g.op("Conv", maps, g.const(np.ones((5, 3, 1, 1), np.float32)))
    sizes = g.op("Slice", g.op("Shape", features), g.const([0]), g.const([2]))
    flat = g.op("Reshape", features, g.op("Concat", sizes, g.const([-1]), axis=0))
    summed = g.op("ReduceSum", flat, g.const([0]), keepdims=0)
    onnx.save(g.model(out=summed), tmp_path / "model.onnx")
    parts = cut(tmp_path / "model.onnx", {"maps": 0}, CAMERAS, tmp_path)
    assert _shapes(parts.head) == {f"{features}/cut": [CAMERAS, 5, 6, 8]}


def _shapes(path: Path) -> dict[str, list[int]]:
    """Return the shapes of the inputs of a model."""
    found = onnx.load(path, load_external_data=False).graph.input
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in found}
