"""The table of operators: it has a line for all that is handled, and what it says is what ONNX and its runtime say."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.costs.formulas import FORMULAS
from specialize.graph import ops
from specialize.passes.compact import HANDLERS, RULES
from tests import row_graphs
from tests.graphs import GraphMaker, run

STANDARD = {schema.name for schema in onnx.defs.get_all_schemas()}
NEWEST = onnx.defs.onnx_opset_version()
BOOLEAN = frozenset({"And", "Or", "Xor"})
RENAMED = {("GridSample", "mode"): ("bilinear", "linear")}
"""Defaults with the name that they had first, and the one of newer opsets."""


def missing(names: Iterable[str]) -> list[str]:
    """Return the operators that have no line in the table."""
    return sorted(set(names) - set(ops.OPERATORS))


def drawn() -> set[str]:
    """Return the operators that the fuzzer draws from."""
    tree = ast.parse(Path(row_graphs.__file__).read_text())
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts & STANDARD


def test_everything_that_is_handled_has_a_line() -> None:
    """Lift rules, emit handlers, cost formulas and the fuzzer's menu know no operator that the table does not."""
    assert drawn() > {"Gather", "MatMul", "ScatterND", "Softmax"}
    for names in (RULES, HANDLERS, FORMULAS, drawn()):
        assert missing(names) == []


def test_an_operator_without_a_line_is_named() -> None:
    """What was forgotten is said."""
    assert missing(["Add", "Forgotten", "Gather"]) == ["Forgotten"]


def test_what_works_on_rows_is_emitted_on_rows() -> None:
    """Every operator that the table calls element by element has a rule, and something that emits it."""
    assert missing(ops.BY_ELEMENT) == []
    assert ops.BY_ELEMENT | ops.of("reduce", "along", "product") <= set(RULES) & set(HANDLERS)


@pytest.mark.parametrize("name", sorted(ops.of("unary") - {"IsNaN", "Not", "Cast", "Clip"}))
def test_zeros_of_one_operand_are_what_the_runtime_says(name: str) -> None:
    """f(0) = 0 for the functions that keep zeros, and for no other."""
    g = GraphMaker(20)
    found = run(g.model(out=g.op(name, g.input("x", (2, 3)))), {"x": np.zeros((2, 3), np.float32)})
    assert (not found["out"].any()) == (name in ops.KEEPS_ZERO)


@pytest.mark.parametrize("name", [*sorted(ops.ANY_ZERO | ops.ALL_ZERO), "Div"])
def test_zeros_of_two_operands_are_what_the_runtime_says(name: str) -> None:
    """Where the table says that a result is zero, it is, and the next stronger claim would be wrong."""
    kind = onnx.TensorProto.BOOL if name in BOOLEAN else onnx.TensorProto.FLOAT
    dtype = np.bool_ if name in BOOLEAN else np.float32
    g = GraphMaker(20)
    model = g.model(out=g.op(name, g.input("a", (1,), kind), g.input("b", (1,), kind)))

    def is_zero(*values: float) -> bool:
        first, second = (np.array([value]).astype(dtype) for value in values)
        return not run(model, {"a": first, "b": second})["out"].any()

    said = ops.OPERATORS[name].zeros
    assert is_zero(0, 1) if said == "first" else is_zero(0, 0)
    if said == "any":
        assert is_zero(0, 1) and is_zero(1, 0)
    else:
        assert not all(is_zero(value, 0) for value in (1, -1))
        assert said == "first" or not all(is_zero(0, value) for value in (1, -1))


@pytest.mark.parametrize(
    "name", [name for name, op in ops.OPERATORS.items() if op.defaults and name in STANDARD]
)
def test_defaults_are_those_of_the_standard(name: str) -> None:
    """What a node leaves away has the value that ONNX gives it."""
    known = onnx.defs.get_schema(name, NEWEST).attributes
    for attribute, value in ops.OPERATORS[name].defaults.items():
        default = onnx.helper.get_attribute_value(known[attribute].default_value)
        found = default.decode() if isinstance(default, bytes) else default
        assert found == pytest.approx(value) if isinstance(value, float) else found in (
            value, *RENAMED.get((name, attribute), ()),
        )  # fmt: skip


@pytest.mark.parametrize("name", [name for name, op in ops.OPERATORS.items() if op.places or op.sizes])
def test_places_are_inputs(name: str) -> None:
    """Inputs that say where or how many exist, and take integers."""
    inputs = onnx.defs.get_schema(name, NEWEST).inputs
    for place in (*ops.OPERATORS[name].places, *ops.OPERATORS[name].sizes):
        types = inputs[place].types
        assert types & {"tensor(int64)", "tensor(int32)", "tensor(float)"}


def test_attributes_are_read_or_have_their_default() -> None:
    """A written attribute counts; one that is left away has the table's value; a permutation reverses all axes."""
    bare, said = ir.node("GridSample", []), ir.node("GridSample", [], {"mode": "nearest", "align_corners": 1})
    assert (ops.text(bare, "mode"), ops.integer(bare, "align_corners")) == ("bilinear", 0)
    assert (ops.text(said, "mode"), ops.integer(said, "align_corners")) == ("nearest", 1)
    norm = ir.node("LayerNormalization", [])
    assert ops.number(norm, "epsilon") == pytest.approx(1e-5)
    assert ops.permutation(ir.node("Transpose", []), 3) == (2, 1, 0)
    assert ops.permutation(ir.node("Transpose", [], {"perm": [1, 0]}), 2) == (1, 0)
