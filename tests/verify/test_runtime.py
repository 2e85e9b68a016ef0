"""Runtimes are opened so that a proof in float32 is computed in float32, whatever the processor offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from specialize.bench import worker
from specialize.verify.runtime import open_model
from tests.graphs import GraphMaker
from tests.precision.models import write

ROWS = np.full((16, 64), 1.0 + 2.0**-12, np.float32)
"""Rounded to 1 in bfloat16 and in float16."""


def product(folder: Path) -> Path:
    """Write the product of rows (16, 64) and weights (64, 32), large enough for a kernel of its own."""
    make = GraphMaker()
    return write(
        make.model(out=make.op("MatMul", make.input("rows", (16, 64)), make.const(np.ones((64, 32))))), folder
    )


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the models that are compiled from now on."""
    kept: list[Any] = []
    compile_model = openvino.compile_model

    def keeping(*arguments: Any, **named: Any) -> Any:
        kept.append(compile_model(*arguments, **named))
        return kept[-1]

    monkeypatch.setattr(openvino, "compile_model", keeping)
    return kept


def test_a_proof_is_in_float32(tmp_path: Path, compiled: list[Any]) -> None:
    """OpenVINO is configured to infer in float32, so that a number just above 1 is not rounded away."""
    found = open_model(product(tmp_path), "openvino", 1).run({"rows": ROWS})["out"]
    assert compiled[0].get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert np.abs(found - 64.0 * ROWS[0, 0]).max() < 64.0 * 2.0**-20


def test_a_benchmark_is_in_float32(tmp_path: Path, compiled: list[Any]) -> None:
    """Forms are timed in the arithmetic that they were proven in."""
    worker.open_openvino(product(tmp_path), {"rows": ROWS}, 1)
    assert compiled[0].get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


def test_the_hint_decides(tmp_path: Path) -> None:
    """Where OpenVINO would compute in bfloat16 of its own accord, the product loses what the proof looks for."""
    model = openvino.compile_model(str(product(tmp_path)), "CPU")
    error = float(np.abs(model({"rows": ROWS})[0] - 64.0 * ROWS[0, 0]).max())
    in_float32 = model.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert (error < 64.0 * 2.0**-20) == in_float32
