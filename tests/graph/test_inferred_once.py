"""What ONNX infers of a node is asked once, and again as soon as anything differs that it follows from."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from specialize.graph import shapes
from specialize.graph.folding import evaluate
from specialize.graph.remembered import Remembered


@dataclasses.dataclass(frozen=True)
class Case:
    """A graph of one Slice, of one MatMul, or of what an opset changes."""

    operator: str = "Slice"
    size: tuple[int | None, ...] = (8, 3)
    dtype: ir.DataType = ir.DataType.FLOAT
    ends: tuple[int, ...] = (5,)
    keep: int = 1
    opset: int = 17

    def model(self) -> ir.Model:
        """Return the graph."""
        x = ir.Value(name="x", shape=ir.Shape(self.size), type=ir.TensorType(self.dtype))
        inputs: list[ir.Value] = [x]
        attributes: dict[str, Any] = {}
        constants = []
        if self.operator == "Slice":
            for name, array in (("starts", [0]), ("ends", self.ends)):
                value = ir.Value(name=name, const_value=ir.tensor(np.array(array, np.int64), name=name))
                value.shape, value.type = ir.Shape([1]), ir.TensorType(ir.DataType.INT64)
                constants.append(value)
            inputs += constants
        else:
            attributes = {"keepdims": self.keep, "axes": [1]}
        node = ir.node(self.operator, inputs, attributes)
        graph = ir.Graph(
            [x],
            node.outputs,
            nodes=[node],
            initializers=constants,
            opset_imports={"": self.opset},
            name="one",
        )
        return ir.Model(graph, ir_version=8)


BASES = (Case(), Case(operator="ReduceMax"))
OTHERS: dict[str, Case] = {
    "shape": Case(size=(9, 3)),
    "unknown dimension": Case(size=(None, 3)),
    "element type": Case(dtype=ir.DataType.FLOAT16),
    "known input": Case(ends=(4,)),
    "attribute": Case(operator="ReduceMax", keep=0),
    "operator": Case(operator="ReduceMean"),
    "opset": Case(opset=16),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Forget all that was inferred; tell which operators ONNX is asked about."""
    found: list[str] = []
    real = shapes.shape_inference.infer_node_outputs

    def counted(schema: Any, *rest: Any, **more: Any) -> Any:
        found.append(schema.name)
        return real(schema, *rest, **more)

    monkeypatch.setattr(shapes.shape_inference, "infer_node_outputs", counted)
    monkeypatch.setattr(shapes, "_ANSWERS", Remembered(64))
    yield found


def inferred(case: Case) -> tuple[Any, ...]:
    """Return element type and shape of what a graph computes."""
    model = case.model()
    evaluate(model)
    value = model.graph.outputs[0]
    return value.dtype, None if value.shape is None else tuple(map(str, value.shape))


@pytest.mark.parametrize("base", BASES, ids=lambda case: case.operator)
def test_the_same_is_asked_once(base: Case, asked: list[str]) -> None:
    """A second model of the same node has the same types, and nothing is asked for it."""
    first = inferred(base)
    assert len(asked) == 1 and inferred(base) == first and len(asked) == 1


@pytest.mark.parametrize("what", OTHERS)
def test_what_differs_is_asked(what: str, asked: list[str]) -> None:
    """After all others have been asked, the types of a node are those that it has in a new process."""
    alone = inferred(OTHERS[what])
    shapes._ANSWERS = Remembered(64)
    asked.clear()
    before = [inferred(base) for base in BASES]
    assert inferred(OTHERS[what]) == alone
    assert len(asked) == len(BASES) + 1
    assert [inferred(base) for base in BASES] == before and len(asked) == len(BASES) + 1


def test_all_of_them_differ_in_what_is_asked() -> None:
    """No two cases of this file are one question."""
    questions = []
    for case in (*BASES, *OTHERS.values()):
        model = case.model()
        inference = shapes.ShapeInference({}, dict(model.opset_imports), 8)  # type: ignore[arg-type]
        data = {"i2": np.array(case.ends, np.int64)} if case.operator == "Slice" else {}
        questions.append(inference._question(next(iter(model.graph)), data))
    assert all(one != other for one, other in itertools.combinations(questions, 2))


def test_a_number_of_another_type_is_another_question() -> None:
    """1 and 1.0 are equal to Python, and one of them is an attribute that an operator does not take."""
    inference = shapes.ShapeInference({}, {"": 17}, 8)  # type: ignore[arg-type]
    nodes = [ir.node("Softmax", [], {"axis": value}) for value in (1, 1.0)]
    assert inference._question(nodes[0], {}) != inference._question(nodes[1], {})


def test_a_node_with_a_tensor_is_always_asked() -> None:
    """A tensor of an attribute may be large, and is no part of a question."""
    node = ir.node("ConstantOfShape", [], {"value": ir.tensor(np.zeros(1, np.float32))})
    assert shapes.ShapeInference({}, {"": 17}, 8)._question(node, {}) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [[1.0] * 65, [1] * 65, "n" * 65], ids=["floats", "ints", "text"])
def test_a_node_with_a_long_attribute_is_always_asked(value: Any) -> None:
    """A Constant may hold a table as a list, which no process keeps after it was built."""
    node, inference = ir.node("Constant", [], {"value": value}), shapes.ShapeInference({}, {"": 17}, 8)  # type: ignore[arg-type]
    assert inference._question(node, {}) is None
    short = ir.node("Constant", [], {"value": value[:64]})
    assert inference._question(short, {}) is not None
