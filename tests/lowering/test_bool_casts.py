"""Casts of truth values are written as choices where a compiler casts them wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.bool_casts import CHOSEN_BOOLS
from specialize.targets.lower import finish
from tests.graphs import GraphMaker, operators, random_feeds, run
from tests.targets.graphs import FACTS

NUMBERS = {"float": TensorProto.FLOAT, "int64": TensorProto.INT64, "float16": TensorProto.FLOAT16}


def masked(shape: tuple[int, ...], to: int) -> ir.Model:
    """Return a model that says as numbers where its input is positive."""
    g = GraphMaker()
    mask = g.op("Greater", g.input("x", shape), g.const(0.0))
    model = ir.from_proto(g.model(out=g.op("Cast", g.op("Cast", mask, to=to), to=TensorProto.FLOAT)))
    folding.evaluate(model)
    return model


@pytest.mark.parametrize("shape", [(2, 3, 4), (1,), ()])
@pytest.mark.parametrize("to", NUMBERS)
def test_a_choice_gives_the_same(shape: tuple[int, ...], to: str) -> None:
    """Of any rank and type the numbers are equal, and casts between numbers stay."""
    original, model = masked(shape, NUMBERS[to]), masked(shape, NUMBERS[to])
    (note,) = apply(model, CHOSEN_BOOLS)
    assert "1 casts" in note.reason
    assert operators(model)["Where"] == 1 and operators(model)["Cast"] == 1
    feeds = random_feeds(ir.to_proto(original))
    wanted, found = run(original, feeds)["out"], run(model, feeds)["out"]
    assert found.shape == wanted.shape and np.array_equal(found, wanted)
    assert apply(model, CHOSEN_BOOLS) == []


def test_rknn_gets_choices(tmp_path: Path) -> None:
    """A model that masks by what it computes is not refused any more."""
    model = masked((2, 3), TensorProto.FLOAT)
    assert finish(model, "rknn", tmp_path, FACTS).conformance.of("refused") == ()
    assert "Where" in operators(model)
