"""Shapes of a file are inferred with the numbers of shape arithmetic, and with no long list of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from onnx import shape_inference

from specialize.graph import infer_file as module
from specialize.graph.infer_file import infer_file, infer_in_place
from specialize.graph.messages import static_types
from specialize.graph.shapes import MOST_DATA
from specialize.verify.cut import read_shaped

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


def test_a_graph_that_is_read_gets_its_tensors(calls: Calls) -> None:
    """In place, with tables hidden; a sequence is no tensor of what is in it."""
    body = (
        "some = Gather(x, table) all = SplitToSequence(some, two) shape = Shape(some) y = Expand(one, shape)"
    )
    model = ir.from_proto(_model(body, table=np.arange(300), one=[1.0], two=2))
    infer_in_place(model)
    values = {value.name: value for node in model.graph for value in node.outputs}
    assert values["some"].shape == (300, 6) and values["some"].dtype == ir.DataType.FLOAT
    assert values["y"].shape == (300, 6) and values["all"].type is None and values["all"].shape is None
    assert [passes for _, passes in calls] == [False, True] and max(most for most, _ in calls) <= MOST_DATA


def test_features_in_a_row_of_a_graph_that_is_read_are_not_passed_on(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cut is inferred as what is run in pieces: a list of 3,000 features is no shape."""
    onnx.save(_model("flat = Reshape(x, all) y = Vendor(flat)", all=[-1]), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    model.graph.node[1].domain = "vendor"
    model.opset_import.add(domain="vendor", version=1)
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.setattr(module, "LONG", 2000)
    values = {
        value.name: value for node in read_shaped(tmp_path / "model.onnx").graph for value in node.outputs
    }
    assert values["flat"].shape == (3000,) and [passes for _, passes in calls] == [False]


def test_a_value_of_unknown_type_is_left_out() -> None:
    """Exporters write element type 0 for what they do not know; it has no size."""
    types = [onnx.helper.make_tensor_value_info(name, kind, [2]) for name, kind in (("a", 0), ("b", 1))]
    assert static_types(types) == {"b": (1, (2,))}


def _shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    values = (*graph.value_info, *graph.output)
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
