"""8-bit integers: what is quantized, how, and that the list of what is not matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.graph.io import write_graph
from specialize.precision import convert as converting
from specialize.precision.convert import Converted, convert
from specialize.precision.loss import measurable, measure
from specialize.targets.base import Int8
from tests.graphs import GraphMaker
from tests.precision.models import frames, operators, sampling_model, write


def quantized(folder: Path, symmetric: bool = False, opset: int = 17) -> tuple[Path, Converted]:
    """Quantize the sampling model with the ranges of its own frames; return its path and what was made of it."""
    path = write(sampling_model(opset), folder / "float32")
    made = convert(path, "int8", int8=Int8(symmetric=symmetric), runnable=path, frames=frames(path))
    return path, made


def zero_points(model: ir.Model, operator: str) -> list[np.ndarray]:
    """Return the zero points of all pairs' halves of one operator."""
    nodes = [node for node in model.graph if node.op_type == operator]
    return [node.inputs[2].const_value.numpy() for node in nodes]  # type: ignore[union-attr]


def test_values_are_quantized_and_places_are_not(tmp_path: Path) -> None:
    """Convolution and output projection read pairs; the projection of offsets reads what it read before."""
    _, made = quantized(tmp_path)
    weighted = {
        node.op_type + str(index): [
            value.producer().op_type if value.producer() else "-" for value in node.inputs[:2]
        ]
        for index, node in enumerate(node for node in made.model.graph if node.op_type in ("Conv", "MatMul"))
        for value in node.inputs[:1]
    }
    pairs = ["DequantizeLinear", "DequantizeLinear"]
    assert sorted(weighted.values()) == sorted([["-", "-"], pairs, pairs])
    assert operators(made.model).count("QuantizeLinear") >= 2


@pytest.mark.parametrize("symmetric", [False, True])
def test_zero_points_are_as_the_target_wants(tmp_path: Path, symmetric: bool) -> None:
    """Symmetric: int8 around 0. Asymmetric: uint8 with a zero point somewhere. Weights are symmetric in both."""
    _, made = quantized(tmp_path, symmetric)
    activations = zero_points(made.model, "QuantizeLinear")
    assert all(zero.dtype == (np.int8 if symmetric else np.uint8) for zero in activations)
    assert all(not zero.any() for zero in activations) == symmetric
    weights = [zero for zero in zero_points(made.model, "DequantizeLinear") if zero.dtype == np.int8]
    assert weights and not any(zero.any() for zero in weights)


def test_weights_have_a_scale_per_channel(tmp_path: Path) -> None:
    """One scale per output channel of the convolution."""
    _, made = quantized(tmp_path)
    scales = [node.inputs[1].const_value.numpy() for node in made.model.graph  # type: ignore[union-attr]
              if node.op_type == "DequantizeLinear"]  # fmt: skip
    assert made.per_channel
    assert {scale.size for scale in scales} == {1, 8}


def test_a_model_with_nothing_to_quantize(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If only sampling locations are projected, nothing is converted and the runtime prints nothing."""
    make = GraphMaker()
    offsets = make.op("MatMul", make.input("query", (4, 3)), make.const(np.full((3, 2), 0.01)))
    grid = make.op("Reshape", offsets, make.const([1, 4, 1, 2]))
    sampled = make.op("GridSample", make.input("image", (1, 2, 8, 8)), grid)
    path = write(make.model(out=make.op("Relu", sampled)), tmp_path)
    made = convert(path, "int8", int8=Int8(), runnable=path, frames=frames(path))
    assert not made.converted
    assert operators(made.model) == ["MatMul", "Reshape", "GridSample", "Relu", "Identity"]
    assert capfd.readouterr().err == ""
    assert quantized(tmp_path / "other")[1].converted


def test_the_list_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With places in 8 bits the output is several times further off than with places in float32."""
    losses = []
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr(converting, "kept_nodes", lambda model, bound: frozenset())
        path, made = quantized(tmp_path / name)
        write_graph(made.model, tmp_path / name / "model.onnx")
        losses.append(
            measure(path, measurable(tmp_path / name / "model.onnx", tmp_path), frames(path), ["out"])["out"]
        )
    kept, all_converted = losses
    assert all_converted.max_abs > 3.0 * kept.max_abs
    assert 1.0 - all_converted.cosine > 3.0 * (1.0 - kept.cosine)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two conversions are equal, byte by byte."""
    first, second = (quantized(tmp_path / name)[1].model for name in ("a", "b"))
    assert ir.to_proto(first).SerializeToString(deterministic=True) == ir.to_proto(second).SerializeToString(
        deterministic=True
    )


def test_every_shape_is_a_number(tmp_path: Path) -> None:
    """The result is a valid, static model, also where an output of the model itself is quantized."""
    _, made = quantized(tmp_path)
    onnx.checker.check_model(ir.to_proto(made.model), full_check=True)
    assert all(
        isinstance(dim, int)
        for node in made.model.graph
        for value in node.outputs
        for dim in value.shape or ["?"]
    )
