"""What a cast in front of GridSample changes is measured against float64, and bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import VerificationError
from specialize.graph.builder import PASS_KEY
from specialize.graph.io import write_graph
from specialize.graph.repair_grid_sample import NAME, repair_samples
from specialize.verify.repaired import Sampling, check_repaired, sample
from specialize.verify.runtime import open_onnxruntime

FEATURES, PLACES = (2, 3, 5, 7), (2, 11, 4, 2)
PADDINGS = ("zeros", "border", "reflection")


def _model(wide: bool, mode: str = "bilinear", padding: str = "zeros", align: int = 0) -> ir.Model:
    dtype = ir.DataType.DOUBLE if wide else ir.DataType.FLOAT
    inputs = [
        ir.Value(name="x", shape=ir.Shape(FEATURES), type=ir.TensorType(ir.DataType.FLOAT)),
        ir.Value(name="grid", shape=ir.Shape(PLACES), type=ir.TensorType(dtype)),
    ]
    attributes = {"mode": mode, "padding_mode": padding, "align_corners": align}
    node = ir.node("GridSample", inputs, attributes, name="sampling")
    node.outputs[0].name, node.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(inputs, node.outputs, nodes=[node], opset_imports={"": 17}, name="sampling")
    return ir.Model(graph, ir_version=8)


def _feed(seed: int, spread: float = 1.3) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "x": random.standard_normal(FEATURES).astype(np.float32),
        "grid": random.uniform(-spread, spread, PLACES),
    }


@given(
    st.integers(0, 1 << 20), st.sampled_from(PADDINGS), st.booleans(), st.sampled_from(["linear", "nearest"])
)
def test_sampling_is_that_of_the_runtime(
    tmp_path_factory: pytest.TempPathFactory, seed: int, padding: str, align: bool, mode: str
) -> None:
    """The evaluation in float64 is the operator that ONNX Runtime computes in float32."""
    path = tmp_path_factory.mktemp("sampling") / "narrow.onnx"
    text = "bilinear" if mode == "linear" else mode
    write_graph(_model(False, text, padding, int(align)), path)
    feed = _feed(seed)
    feed["grid"] = feed["grid"].astype(np.float32)
    expected = open_onnxruntime(path, 1).run(feed)["y"]
    exact = sample(
        feed["x"].astype(np.float64), feed["grid"].astype(np.float64), Sampling(mode, padding, align)
    )
    differing = np.abs(expected - exact) > 1e-5
    assert differing.mean() < (0.01 if mode == "nearest" else 1e-9)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_repair_is_rounding(tmp_path: Path, mode: str, padding: str) -> None:
    """A cast in front of the operator changes what float32 explains, and one line says how much."""
    model = _model(True, mode, padding)
    repair_samples(model)
    write_graph(model, tmp_path / "model.onnx")
    (line,) = check_repaired(tmp_path / "model.onnx", _feed(3), 1, tmp_path)
    assert line.startswith("1 GridSample of the reference read float64 locations through a cast")


def test_a_wrong_repair_is_found(tmp_path: Path) -> None:
    """A result that is not that of the places in float64 ends the proof, with the node's name."""
    model = _model(True)
    repair_samples(model)
    cast = next(node for node in model.graph if node.metadata_props.get(PASS_KEY) == NAME)
    shifted = ir.node(
        "Mul", [cast.outputs[0], cast.outputs[0]], name="wrong", metadata_props={PASS_KEY: NAME}
    )
    shifted.outputs[0].type, shifted.outputs[0].name = cast.outputs[0].type, "wrong"
    sampling = next(node for node in model.graph if node.op_type == "GridSample")
    sampling.replace_input_with(1, shifted.outputs[0])
    model.graph.insert_before(sampling, shifted)
    write_graph(model, tmp_path / "model.onnx")
    with pytest.raises(VerificationError, match=r"sampling.*within"):
        check_repaired(tmp_path / "model.onnx", _feed(3), 1, tmp_path)


def test_a_model_without_repair_is_not_run(tmp_path: Path) -> None:
    """If nothing was repaired, nothing is evaluated or reported."""
    write_graph(_model(False), tmp_path / "model.onnx")
    assert check_repaired(tmp_path / "model.onnx", {}, 1, tmp_path) == ()
