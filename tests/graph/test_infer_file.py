"""Shapes of a file are inferred with the numbers of shape arithmetic, and with no long list of others."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import shape_inference

from specialize.graph import infer_file as module
from specialize.graph.infer_file import infer_file
from specialize.graph.shapes import MOST_DATA

Calls = list[tuple[int, bool]]
"""Of each call the most numbers of a constant, and whether numbers are passed on."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Return a list that takes how ONNX is asked."""
    found: Calls = []
    infer = shape_inference.infer_shapes

    def spied(model: onnx.ModelProto, data_prop: bool = False) -> onnx.ModelProto:
        sizes = [int(np.prod(tensor.dims)) for tensor in model.graph.initializer]
        found.append((max(sizes, default=0), data_prop))
        return infer(model, data_prop=data_prop)

    monkeypatch.setattr(shape_inference, "infer_shapes", spied)
    return found


def _model(body: str, **constants: np.ndarray) -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> whole (float[500,6] x) => (y) {{ {body} }}'
    )
    for name, numbers in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(numbers), name))
    return model


def test_shape_arithmetic_is_followed_and_tables_are_hidden(calls: Calls) -> None:
    """The second call passes numbers on; ONNX is shown no table."""
    body = "some = Gather(x, table)  shape = Shape(some)  y = Expand(one, shape)"
    model = _model(body, table=np.arange(300), one=[1.0])
    found = _shapes(infer_file(model))
    assert found["some"] == [300, 6] and found["y"] == [300, 6]
    assert [passes for _, passes in calls] == [False, True] and max(most for most, _ in calls) <= MOST_DATA


def test_what_is_known_is_not_asked_again(calls: Calls) -> None:
    """Without shape arithmetic one call knows all."""
    found = _shapes(infer_file(_model("y = Gather(x, table)", table=np.arange(300))))
    assert found["y"] == [300, 6] and calls == [(0, False)]


def test_features_in_a_row_are_not_passed_on(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of 3,000 features would be a shape of 3,000 dimensions: what needs numbers stays unknown."""
    body = "flat = Reshape(x, all)  twice = Add(flat, flat)  shape = Shape(x)  y = Expand(one, shape)"
    model = _model(body, all=[-1], one=[1.0])
    monkeypatch.setattr(module, "LONG", 2000)
    assert _shapes(infer_file(model))["flat"] == [3000] and [passes for _, passes in calls] == [False]
    monkeypatch.setattr(module, "LONG", 4000)
    assert _shapes(infer_file(model))["y"] == [500, 6]


def test_what_onnx_cannot_infer_is_as_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that is too large for a message gives itself."""

    def refused(model: onnx.ModelProto, **how: bool) -> onnx.ModelProto:
        raise ValueError("a message of more than 2 GiB")

    monkeypatch.setattr(shape_inference, "infer_shapes", refused)
    model = _model("y = Neg(x)")
    assert infer_file(model) is model.graph


def _shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    values = (*graph.value_info, *graph.output)
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
