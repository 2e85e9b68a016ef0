"""A GridSample that reads float64 reads it through a cast, and nothing else of a graph changes."""

from __future__ import annotations

import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
import pytest

from specialize.graph.repair_grid_sample import repair_samples, repaired_nodes

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
PLACES = f"""
{HEAD}
places (float[1,2,3,4] x, float[1,5,1,2] grid) => (float[1,2,5,1] y, float[1,2,5,1] other)
{{
    wide = Cast<to = 11>(grid)
    y = GridSample<mode = "MODE">(x, wide)
    other = GridSample(x, grid)
}}
"""
BOTH = f"""
{HEAD}
both (double[1,2,3,4] x, double[1,5,1,2] grid) => (double[1,2,5,1] y)
{{
    y = GridSample(x, grid)
}}
"""


def _read(text: str) -> ir.Model:
    model = ir.from_proto(onnx.parser.parse_model(text))
    for number, node in enumerate(model.graph):
        node.name = f"node{number}"
    return model


def _opens(model: ir.Model) -> bool:
    try:
        onnxruntime.InferenceSession(
            ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"]
        )
    except Exception:
        return False
    return True


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_float64_places_are_cast(mode: str) -> None:
    """The runtime opens the model afterwards; a node with float32 places is left alone."""
    model = _read(PLACES.replace("MODE", mode))
    assert not _opens(model)
    assert repair_samples(model) == ["node1"]
    assert _opens(model)
    assert [node.name for node in repaired_nodes(model.graph)] == ["node1"]
    assert [node.op_type for node in model.graph] == ["Cast", "Cast", "GridSample", "GridSample"]
    assert repair_samples(model) == []


def test_float64_features_come_back() -> None:
    """Where the features are float64 too, the result is float64 again, under its own name."""
    model = _read(BOTH)
    assert repair_samples(model) == ["node0"]
    assert _opens(model)
    assert [(value.name, value.dtype) for value in model.graph.outputs] == [("y", ir.DataType.DOUBLE)]


def test_what_is_not_evaluated_is_not_repaired() -> None:
    """Cubic interpolation has no evaluation in float64 here, so that it is left as it is."""
    model = _read(PLACES.replace("MODE", "bicubic"))
    assert repair_samples(model) == []
