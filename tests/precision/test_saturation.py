"""8-bit models on processors that add pairs of products in 16 bits: nothing saturates, on any runtime, at any level."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import InternalError
from specialize.graph.io import write_graph
from specialize.precision import integers
from specialize.precision.convert import convert
from specialize.precision.loss import measurable, measure
from specialize.targets import TARGETS, target
from specialize.targets.base import Int8
from specialize.verify.runtime import open_model
from tests.graphs import GraphMaker
from tests.precision import restricted
from tests.precision.models import frames, operators, sampling_model, write
from tests.precision.saturation import run_saturating, saturating_product

SCHEMES = {
    f"{bits} bits, {'symmetric' if symmetric else 'asymmetric'}": Int8(symmetric=symmetric, weight_bits=bits)
    for bits in (7, 8)
    for symmetric in (False, True)
}


def extreme_model(opset: int = 17) -> onnx.ModelProto:
    """Return a product of rows (4, 64) in [0, 1] with the largest weights that there are, of one sign per column."""
    make = GraphMaker(opset)
    rows = make.op(
        "Clip", make.op("Mul", make.input("rows", (4, 64)), make.const(9.0)), make.const(0.0), make.const(1.0)
    )
    return make.model(out=make.op("MatMul", rows, make.const(np.tile([1.0, -1.0], (64, 4)))))


MODELS = {"sampling": sampling_model, "extreme": extreme_model}


def converted(folder: Path, proto: onnx.ModelProto, int8: Int8) -> tuple[Path, Path]:
    """Return the paths of a model in float32 and of the same in 8 bits."""
    path = write(proto, folder / "float32")
    made = convert(path, "int8", int8=int8, runnable=path, frames=frames(path))
    write_graph(made.model, folder / "model.onnx")
    return path, folder / "model.onnx"


def weights_of(path: Path) -> list[np.ndarray]:
    """Return the integers of all constants of 8 bits that are dequantized."""
    model = onnx.load(path)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    read = [node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    return [constants[name] for name in read if name in constants and constants[name].dtype == np.int8]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(-64, 64), st.integers(-64, 64))
def test_a_pair_of_7_bits_never_saturates(a: int, b: int, v: int, w: int) -> None:
    """Whatever the activations, two products with weights of 7 bits fit into 16 bits: 2 * 255 * 64 = 32,640."""
    left, right = np.array([[a, b]], np.uint8), np.array([[v], [w]], np.int8)
    assert saturating_product(left, right).item() == a * v + b * w


def test_a_pair_of_8_bits_saturates() -> None:
    """The emulation differs from exact sums where it must: at weights of 65 and above, never at 64."""
    left = np.full((1, 2), 255, np.uint8)
    found = {
        w: saturating_product(left, np.full((2, 1), w, np.int8)).item() for w in (-127, -65, -64, 64, 65, 127)
    }
    assert found == {-127: -32768, -65: -32768, -64: -32640, 64: 32640, 65: 32767, 127: 32767}


def test_the_emulation_is_what_kernels_do() -> None:
    """ONNX Runtime's product of uint8 and int8 gives exact sums, or exactly those of the emulation."""
    random = np.random.default_rng(0)
    left = random.integers(128, 256, (8, 48), np.uint8)
    right = random.integers(-128, 128, (48, 16)).astype(np.int8)
    right[:, ::2] = np.abs(right[:, ::2].clip(-127))
    make = GraphMaker()
    rows = make.op("Cast", make.input("rows", (8, 48)), to=onnx.TensorProto.UINT8)
    sums = make.op("MatMulInteger", rows, make.const(right, np.int8))
    model = make.model(out=make.op("Cast", sums, to=onnx.TensorProto.FLOAT))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"rows": left.astype(np.float32)})
    exact, saturated = left.astype(np.int32) @ right.astype(np.int32), saturating_product(left, right)
    assert (exact != saturated).any()
    assert (found == exact).all() or (found == saturated).all()


@pytest.mark.parametrize(
    "proto", [sampling_model(), extreme_model(), extreme_model(11)], ids=["17", "17e", "11e"]
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_have_the_bits_of_the_target(tmp_path: Path, scheme: str, proto: onnx.ModelProto) -> None:
    """The largest weight is 64 with 7 bits and 127 with 8, with a scale per channel and per tensor alike."""
    int8 = SCHEMES[scheme]
    weights = weights_of(converted(tmp_path, proto, int8)[1])
    assert weights
    assert {int(np.abs(each.astype(int)).max()) for each in weights} == {int8.largest_weight}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", MODELS)
def test_saturation_changes_8_bits_and_not_7(tmp_path: Path, name: str, scheme: str) -> None:
    """Computed with saturating sums, a model with 7-bit weights is as it is written; with 8 bits it is another."""
    path, made = converted(tmp_path, MODELS[name](), SCHEMES[scheme])
    written = open_model(made, "onnxruntime", 1)
    scale = differences = 0.0
    for frame in frames(path):
        wanted, found = written.run(frame)["out"], run_saturating(made, dict(frame))["out"]
        scale = max(scale, float(np.abs(wanted).max()))
        differences = max(differences, float(np.abs(wanted - found).max()))
    if SCHEMES[scheme].weight_bits == 7:
        assert differences <= scale / 100.0  # a step of the output's own 8 bits
    else:
        assert differences > scale / 10.0


def test_every_level_of_every_runtime_computes_what_is_written(tmp_path: Path) -> None:
    """With 7-bit weights the loss is that of the file as written, on both runtimes, from the lowest level up.

    With 8 bits it is not where a level is without dot products: the test sees that the levels are in force.
    """
    cases = {(name, scheme): converted(tmp_path / f"{name} {scheme}", MODELS[name](), SCHEMES[scheme])
             for name in MODELS for scheme in SCHEMES}  # fmt: skip
    losses = {level: restricted.losses(environment, {" / ".join(case): pair for case, pair in cases.items()})
              for level, environment in restricted.levels(tmp_path).items()}  # fmt: skip
    for level, found in losses.items():
        for (name, scheme), loss in ((case, found[" / ".join(case)]) for case in cases):
            kernels = {runtime: loss[runtime] for runtime in ("onnxruntime-kernels", "openvino")}
            if SCHEMES[scheme].weight_bits == 7:
                assert kernels == pytest.approx(dict.fromkeys(kernels, loss["onnxruntime"]), rel=0.05), (
                    level,
                    name,
                    scheme,
                )
            elif platform.machine() == "x86_64" and level in (*restricted.WITHOUT_VNNI, *restricted.HIDDEN):
                wrong = ["openvino", *(["onnxruntime-kernels"] if level in restricted.HIDDEN else [])]
                assert all(kernels[each] > 10.0 * loss["onnxruntime"] for each in wrong), (
                    level,
                    name,
                    scheme,
                )


def test_products_of_computed_tensors_stay_in_float32(tmp_path: Path) -> None:
    """Neither operand has weights that could be reduced; where kernels do not saturate they are quantized."""
    make = GraphMaker()
    rows = make.op("MatMul", make.input("rows", (6, 8)), make.const(np.eye(8)))
    scores = make.op("MatMul", rows, make.op("Transpose", rows, perm=[1, 0]))
    path = write(make.model(out=make.op("MatMul", make.const(np.ones((2, 6))), scores)), tmp_path)
    quantized = {}
    for bits in (7, 8):
        made = convert(path, "int8", int8=Int8(weight_bits=bits), runnable=path, frames=frames(path)).model
        quantized[bits] = [
            all(value.producer() and value.producer().op_type == "DequantizeLinear" for value in node.inputs)
            for node in made.graph
            if node.op_type == "MatMul"
        ]
    assert quantized == {7: [True, False, False], 8: [True, True, True]}


def test_a_converter_that_leaves_a_larger_weight_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is checked on the converted model, not assumed of the converter."""
    path, made = converted(tmp_path, sampling_model(), Int8(weight_bits=8))
    model = ir.load(made)
    monkeypatch.setattr(integers, "from_converter", lambda proto, original: model)
    with pytest.raises(InternalError, match=r"constant weights up to 64.*127"):
        convert(path, "int8", int8=Int8(), runnable=path, frames=frames(path))


def test_only_where_a_source_says_so_weights_have_8_bits() -> None:
    """The default is 7 bits; a target with 8 names its source, and those that run on x86 have 7."""
    assert Int8().weight_bits == 7
    widths = {name: target(name).TOOLCHAIN.int8 for name in TARGETS}
    assert all(
        int8.weight_bits == 7 for name, int8 in widths.items() if name in ("onnxruntime", "openvino", "tvm")
    )
    default = Int8().weight_bits_source
    assert all(int8.weight_bits_source != default for int8 in widths.values() if int8.weight_bits == 8)
    assert replace(Int8(), weight_bits=8).largest_weight == 127


def test_one_bit_less_loses_more(tmp_path: Path) -> None:
    """The reduced range is not free: the cosine to float32 is a little smaller than with 8 bits."""
    found = {}
    for bits in (7, 8):
        path, made = converted(tmp_path / str(bits), sampling_model(), Int8(weight_bits=bits))
        found[bits] = 1.0 - measure(path, measurable(made, tmp_path), frames(path), ["out"])["out"].cosine
    assert found[8] < found[7] < 2.0 * found[8]


def test_operators_between_pairs_are_as_before(tmp_path: Path) -> None:
    """The range of weights changes no node: the same operators with 7 bits and with 8."""
    found = []
    for bits in (7, 8):
        _, made = converted(tmp_path / str(bits), sampling_model(), Int8(weight_bits=bits))
        found.append(operators(ir.load(made)))
    assert found[0] == found[1]
