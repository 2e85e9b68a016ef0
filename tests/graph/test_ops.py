"""The table of operators: it has a line for all that is handled, and what it says is what ONNX and its runtime say."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.costs.formulas import FORMULAS
from specialize.graph import ops
from specialize.rows.operators import RULES
from specialize.rows.rule import RowRule
from tests import row_graphs
from tests.graphs import GraphMaker, run

MAPS = ops.of("view", "turn", "pad", "write")
"""Operators that are row maps or declined: nothing is left to emit of them."""

FUNCTIONS = ops.of("repeat", "cut", "join", "elementwise", "unary", "along", "reduce", "product") | (
    ops.SAMPLERS | {"Gather"}
)
"""Operators that are, at least along features, row-wise functions."""

STANDARD = {schema.name for schema in onnx.defs.get_all_schemas()}
NEWEST = onnx.defs.onnx_opset_version()
BOOLEAN = frozenset({"And", "Or", "Xor"})
RENAMED = {("GridSample", "mode"): ("bilinear", "linear")}
"""Defaults with the name that they had first, and the one of newer opsets."""


def missing(names: Iterable[str]) -> list[str]:
    """Return the operators that have no line in the table."""
    return sorted(set(names) - set(ops.OPERATORS))


def forgotten(rules: Mapping[str, RowRule]) -> list[str]:
    """Return which halves of rules are missing, for the operators that work on rows by their kind."""
    lifted = [f"{name}: no rule lifts it" for name in sorted((MAPS | FUNCTIONS) - set(rules))]
    return lifted + [
        f"{name}: no rule emits it" for name in sorted(FUNCTIONS & set(rules)) if rules[name].emit is None
    ]


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
    """Rules for rows, cost formulas and the fuzzer's menu know no operator that the table does not."""
    assert drawn() > {"Gather", "MatMul", "ScatterND", "Softmax"}
    for names in (RULES, FORMULAS, drawn()):
        assert missing(names) == []


def test_an_operator_without_a_line_is_named() -> None:
    """A forgotten operator is reported."""
    assert missing(["Add", "Forgotten", "Gather"]) == ["Forgotten"]


def test_every_operator_has_both_halves_of_its_rule() -> None:
    """An operator whose kind says that it works on rows is lifted, and emitted unless it is always a row map."""
    assert forgotten(RULES) == []


def test_a_missing_half_is_named() -> None:
    """A rule that was forgotten, and one without the half that emits."""
    half = {name: rule for name, rule in RULES.items() if name != "Transpose"}
    half["Softmax"] = RowRule(half["Softmax"].lift)
    assert forgotten(half) == ["Transpose: no rule lifts it", "Softmax: no rule emits it"]


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
