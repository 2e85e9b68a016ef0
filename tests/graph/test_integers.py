"""Shape arithmetic gives what the runtime gives, integer by integer."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.graph import integers, known
from tests.graphs import GraphMaker, run

NUMBERS = np.array([[3, -1, 0], [2, 2, 5]])
FLAGS = np.array([[True, False, True], [False, False, True]])


def cases() -> dict[str, tuple[GraphMaker, str]]:
    """Return a graph per operator, and the value to compute."""
    made = {}
    for name, inputs, attributes in (
        ("Add", (NUMBERS, [1, 2, 3]), {}), ("Sub", (NUMBERS, [1, 2, 3]), {}), ("Mul", (NUMBERS, [[2], [-3]]), {}),
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
    known.evaluate(model)
    node = model.graph[0]
    assert integers.can_compute(node)
    found = integers.compute(
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
    np.testing.assert_array_equal(integers.sliced(size, start, end, step), wanted)


def test_floating_point_is_left_to_the_runtime() -> None:
    """Rounding is the runtime's business."""
    g = GraphMaker()
    model = ir.from_proto(g.model(out=g.op("Add", g.const([1.0]), g.const([2.0]))))
    known.evaluate(model)
    assert not integers.can_compute(model.graph[0])
