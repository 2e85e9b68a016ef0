"""Models that open but do not run, or whose outputs are no numbers: an error, with what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.errors import InputError
from specialize.verify.runtime import open_model
from tests.graph.hostile_models import graph, node

MODELS = {
    "a tile of gigabytes": (
        graph(node("Tile", "x r"), r=np.array([1 << 20, 1 << 20])),
        "the model: expected a run without error",
    ),
    "text": (
        graph(node("Cast", "x", to=onnx.TensorProto.STRING)),
        "output 'y': expected a tensor of numbers",
    ),
    "a sequence": (graph(node("SequenceConstruct", "x x")), "output 'y': expected a tensor of numbers"),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_gives_no_numbers_is_refused(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The runtime's own complaint is part of the error; it prints nothing itself."""
    made, said = MODELS[name]
    onnx.save(made, tmp_path / "m.onnx")
    runner = open_model(tmp_path / "m.onnx", "onnxruntime", 1)
    with pytest.raises(InputError) as caught:
        runner.run({"x": np.ones((2, 3), np.float32)})
    assert said in str(caught.value)
    assert capfd.readouterr().err == ""
