"""Shape arithmetic gives what the runtime gives, integer by integer."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from specialize.errors import InputError
from specialize.graph import folding, running, shape_arithmetic
from tests.graphs import GraphMaker, run

NUMBERS = np.array([[3, -1, 0], [2, 2, 5]])
FLAGS = np.array([[True, False, True], [False, False, True]])


def cases() -> dict[str, tuple[GraphMaker, str]]:
    """Return a graph per operator, and the value to compute."""
    made = {}
    for name, inputs, attributes in (
        ("Add", (NUMBERS, [1, 2, 3]), {}), ("Sub", (NUMBERS, [1, 2, 3]), {}), ("Mul", (NUMBERS, [[2], [-3]]), {}),
        ("Div", (NUMBERS, [2, -2, 4]), {}), ("Div", (-7, [2, -2]), {}),
        ("Equal", (NUMBERS, 2), {}), ("Less", (NUMBERS, 2), {}), ("Greater", (NUMBERS, 2), {}),
        ("Not", (FLAGS,), {}), ("And", (FLAGS, FLAGS[0]), {}), ("Or", (FLAGS, FLAGS[1]), {}),
        ("Where", (FLAGS, NUMBERS, [7]), {}), ("Identity", (NUMBERS,), {}), ("Cast", (NUMBERS,), {"to": 9}),
        ("Cast", (FLAGS,), {"to": 7}), ("Cast", (NUMBERS,), {"to": 6}), ("NonZero", (FLAGS,), {}),
        ("NonZero", (np.array([[0.0, -0.5], [2.0, 0.0]]),), {}), ("Concat", (NUMBERS, NUMBERS), {"axis": -1}),
        ("Gather", (NUMBERS, [-1, 0]), {"axis": 1}), ("Gather", (NUMBERS, 1), {}),
        ("Gather", (NUMBERS, [[0, -1]]), {"axis": -1}),
        ("Unsqueeze", (NUMBERS, [0, -1]), {}), ("Squeeze", (NUMBERS[:1], [0]), {}), ("Squeeze", (NUMBERS[:1],), {}),
        ("Reshape", (NUMBERS, [0, -1]), {}), ("Reshape", (NUMBERS, [-1]), {}), ("Expand", (NUMBERS[:1], [2, 1]), {}),
        ("Range", (2, 9, 3), {}), ("Range", (5, -2, -2), {}), ("ReduceMax", (NUMBERS,), {"axes": [0]}),
        ("ReduceMin", (NUMBERS,), {"keepdims": 0}), ("ReduceProd", (NUMBERS,), {"axes": [-1], "keepdims": 0}),
        ("Expand", (NUMBERS[:1] * 0.5, [2, 1]), {}),
        ("Transpose", (NUMBERS,), {}), ("Transpose", (NUMBERS[None],), {"perm": [2, 0, 1]}),
        ("ConstantOfShape", (np.array([2, 3]),), {"value": ir.serde.serialize_tensor(ir.tensor(np.array([4])))}),
    ):  # fmt: skip
        g = GraphMaker()
        value = g.op(name, *(g.const(np.asarray(data)) for data in inputs), **attributes)
        made[f"{name} {len(made)}"] = (g, value)
    return made


@pytest.mark.parametrize("name", cases())
def test_every_operator_gives_what_the_runtime_gives(name: str) -> None:
    """Values, shapes and types."""
    g, value = cases()[name]
    proto = g.model(out=value)
    model = ir.from_proto(proto)
    folding.evaluate(model)
    node = model.graph[0]
    assert shape_arithmetic.can_compute(node)
    assert shape_arithmetic.result_type(node) == node.outputs[0].dtype
    found = shape_arithmetic.compute(
        node, [v.const_value.numpy() for v in node.inputs if v is not None and v.const_value]
    )
    wanted = run(proto, {})["out"]
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    assert found.shape == wanted.shape


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(-8, 8), st.integers(-8, 9), st.sampled_from([1, 2, -1, -2]))
def test_slices_are_clamped_like_the_runtime_does(size: int, start: int, end: int, step: int) -> None:
    """Bounds beyond the axis, negative steps, empty results."""
    g = GraphMaker()
    bounds = [g.const([number]) for number in (start, end, 0, step)]
    wanted = run(g.model(out=g.op("Slice", g.const(np.arange(size)), *bounds)), {})["out"]
    np.testing.assert_array_equal(shape_arithmetic.sliced(size, start, end, step), wanted)


def test_floating_point_is_left_to_the_runtime() -> None:
    """Rounding is the runtime's business."""
    g = GraphMaker()
    model = ir.from_proto(g.model(out=g.op("Add", g.const([1.0]), g.const([2.0]))))
    folding.evaluate(model)
    assert not shape_arithmetic.can_compute(model.graph[0])


def test_shape_arithmetic_needs_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """What few known numbers give is known at once, in order, without starting a session."""
    monkeypatch.setattr(running, "run", lambda *args: pytest.fail("a session was started"))
    g = GraphMaker()
    size = g.op("Shape", g.input("x", (4, 6)))
    half = g.op("Div", g.op("Gather", size, g.const([1])), g.const([2]))
    shape = g.op("Concat", g.const([-1]), half, axis=0)
    model = ir.from_proto(g.model(out=g.op("Reshape", "x", shape)))
    assert folding.fold(model).removed == 4
    assert list(model.graph.outputs[0].shape or ()) == [8, 3]


def test_a_wrong_annotation_does_not_matter() -> None:
    """The type of a result is that of what is computed, whatever the file says."""
    g = GraphMaker()
    same = g.op("Equal", g.const([1, 2]), g.const([1, 3]))
    proto = g.model(out=same)
    for info in proto.graph.value_info:
        info.type.tensor_type.elem_type = 1
    model = ir.from_proto(proto)
    knowledge = folding.evaluate(model)
    value = model.graph[0].outputs[0]
    assert (value.dtype, knowledge.get(value).tolist()) == (ir.DataType.BOOL, [True, False])


@pytest.mark.parametrize(
    ("operator", "size"), [("ConstantOfShape", [3000, 5]), ("Expand", [2000, 1]), ("Range", [9000])]
)
def test_what_is_long_is_computed_when_it_is_needed(operator: str, size: list[int]) -> None:
    """Few numbers may say how to make many: these wait."""
    g = GraphMaker()
    inputs = {
        "ConstantOfShape": [g.const(size)],
        "Expand": [g.const([1.0]), g.const(size)],
        "Range": [g.const(np.array(0)), g.const(np.array(size[0])), g.const(np.array(1))],
    }[operator]
    model = ir.from_proto(g.model(out=g.op(operator, *inputs)))
    knowledge = folding.evaluate(model)
    value = model.graph[0].outputs[0]
    assert value in knowledge
    assert not knowledge.is_computed(value)


def test_a_contradiction_is_told_as_before() -> None:
    """Shape arithmetic that cannot be is an error of the model, with the node's name."""
    g = GraphMaker()
    value = g.op("Reshape", g.const([1, 2, 3]), g.const([2, 2]))
    g.nodes[-1].name = "cut"
    model = ir.from_proto(raw(g, value))
    with pytest.raises(InputError, match="cut"):
        folding.fold(model)


def raw(g: GraphMaker, value: str) -> onnx.ModelProto:
    """Return a model without shape inference, which would refuse it first."""
    graph = helper.make_graph(
        g.nodes, "wrong", g.inputs, [helper.make_empty_tensor_value_info(value)], g.constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", g.opset)], ir_version=9)
