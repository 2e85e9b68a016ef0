"""Operators of a graph as instructions, run in numpy."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.binding.relink.assemble import FLOAT64, Assembler, NotPortableError
from specialize.binding.relink.memory import placed
from specialize.binding.relink.program import INPUTS
from specialize.binding.relink.run import Calibration, run
from specialize.binding.relink.translate import Translator
from specialize.graph.folding import evaluate
from tests.graphs import GraphMaker

RANDOM = np.random.default_rng(12)


def inverted(matrices: np.ndarray) -> np.ndarray:
    """Return the inverses of (5, k, k) by a program, as the operator of ONNX Runtime's own domain asks for them."""
    k = matrices.shape[-1]
    make = GraphMaker(domains=("com.microsoft",))
    value = make.op("Inverse", make.input("m", (1, 5, k, k)), domain="com.microsoft")
    model = ir.from_proto(make.model(out=make.op("Identity", make.annotate(value, (1, 5, k, k)))))
    assembler = Assembler()
    for number in range(len(INPUTS)):
        assembler.new(FLOAT64, (5, 4, 4) if number < 3 else (4, 4))
    given = assembler.constant(matrices[None].astype(np.float32))
    translator = Translator(assembler, evaluate(model), {model.graph.inputs[0]: given})
    out = translator.value(model.graph.outputs[0])
    program, _ = placed(assembler, {"out": out.number}, 5)
    none = np.zeros((5, 4, 4))
    return run(program, Calibration(none, none, none, np.eye(4)))["out"][0]


@pytest.mark.parametrize("k", [2, 3, 4])
def test_small_matrices_are_inverted(k: int) -> None:
    """As numpy inverts them, with pivots out of order among them."""
    matrices = RANDOM.standard_normal((5, k, k)).astype(np.float32)
    matrices[0] = np.eye(k)[::-1] * 3
    found = inverted(matrices)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.linalg.inv(matrices.astype(np.float64)), rtol=1e-6, atol=1e-6)


def test_larger_matrices_have_no_instruction() -> None:
    """They are distinguished by their size."""
    with pytest.raises(NotPortableError, match="an inverse of 5x5"):
        inverted(RANDOM.standard_normal((5, 5, 5)))
