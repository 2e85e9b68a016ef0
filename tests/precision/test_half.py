"""16-bit floats: nothing is rounded that must not be, and the graph that is left is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.errors import VerificationError
from specialize.graph.io import read_graph, write_graph
from specialize.precision.convert import Converted, convert
from specialize.precision.loss import measurable, measure
from specialize.targets.base import Int8
from specialize.verify import compare_models
from tests.graphs import GraphMaker
from tests.precision.models import as_graph, frames, sampling_model, write

HALF, FLOAT = ir.DataType.FLOAT16, ir.DataType.FLOAT


def halved(proto: onnx.ModelProto, folder: Path) -> tuple[Path, Converted, Path]:
    """Convert a model; return its path, what was made of it, and the path of that."""
    path = write(proto, folder / "float32")
    made = convert(path, "fp16", int8=Int8(), runnable=path, frames=())
    (folder / "fp16").mkdir()
    write_graph(made.model, folder / "fp16" / "model.onnx", "weights.bin")
    return path, made, folder / "fp16" / "model.onnx"


def test_the_coordinate_branch_is_never_rounded(tmp_path: Path) -> None:
    """No tensor between the query and GridSample is in 16 bits, although the converter casts there and back."""
    _, made, _ = halved(sampling_model(), tmp_path)
    sample = next(node for node in made.model.graph if node.op_type == "GridSample")
    stack, seen = [sample.inputs[1]], []
    while stack:
        value = stack.pop()
        assert value is not None
        assert value.dtype in (FLOAT, ir.DataType.INT64), value.name
        seen.append(value)
        producer = value.producer()
        stack.extend(producer.inputs if producer is not None else ())
    assert "query" in {value.name for value in seen}


def test_the_rest_computes_in_16_bits(tmp_path: Path) -> None:
    """Convolution and output projection have weights of 16 bits; inputs and outputs of the model stay float32."""
    path, made, _ = halved(sampling_model(), tmp_path)
    for operator, place in (("Conv", 0), ("MatMul", 1)):
        nodes = [node for node in made.model.graph if node.op_type == operator]
        assert nodes[place].inputs[1].dtype == HALF, operator  # type: ignore[union-attr]
    before = read_graph(path)
    for old, new in zip(
        (*before.graph.inputs, *before.graph.outputs), (*made.model.graph.inputs, *made.model.graph.outputs),
        strict=True,
    ):  # fmt: skip
        assert (new.name, new.dtype, new.shape) == (old.name, old.dtype, old.shape)
    assert made.constant_bytes < made.constant_bytes_float32


def test_nodes_stand_in_order(tmp_path: Path) -> None:
    """Every node stands behind those that it reads, as toolchains want it; the converter puts input casts last."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    proto = sampling_model()
    left = convert_float_to_float16(onnx.shape_inference.infer_shapes(proto), keep_io_types=True)
    assert not in_order(left)
    _, _, written = halved(proto, tmp_path)
    assert in_order(onnx.load(written))


def in_order(model: onnx.ModelProto) -> bool:
    """Return whether every input of a node is known before it."""
    known = {value.name for value in (*model.graph.input, *model.graph.initializer)}
    for node in model.graph.node:
        if any(name and name not in known for name in node.input):
            return False
        known.update(node.output)
    return True


def test_a_constant_of_both_kinds_stays_exact_where_it_must(tmp_path: Path) -> None:
    """A constant that a place and a value read is rounded for the value alone."""
    make, shared = GraphMaker(), np.full((1, 4, 1, 2), 0.1234567, np.float32)
    query, image = make.input("query", (4, 3)), make.input("image", (1, 2, 8, 8))
    constant = make.const(shared)
    offsets = make.op("MatMul", query, make.const(np.full((3, 2), 0.01)))
    grid = make.op("Add", make.op("Reshape", offsets, make.const([1, 4, 1, 2])), constant)
    sampled = make.op(
        "GridSample", make.op("Relu", make.op("Conv", image, make.const(np.ones((2, 2, 1, 1))))), grid
    )
    out = make.op("Add", make.op("Reshape", sampled, make.const([1, 4, 1, 2])), constant)
    _, made, _ = halved(make.model(out=out), tmp_path)
    sample = next(node for node in made.model.graph if node.op_type == "GridSample")
    place = sample.inputs[1].producer()  # type: ignore[union-attr]
    assert place is not None and place.op_type == "Add"
    exact = place.inputs[1].const_value  # type: ignore[union-attr]
    assert exact is not None and np.array_equal(exact.numpy(), shared)


def test_a_value_that_several_kept_nodes_read_is_cast_once(tmp_path: Path) -> None:
    """The converter makes one cast per reader with the same result, which is no valid graph."""
    make = GraphMaker()
    image = make.op("Conv", make.input("image", (1, 2, 8, 8)), make.const(np.ones((2, 2, 1, 1))))
    offsets = make.op("MatMul", make.input("query", (4, 3)), make.const(np.full((3, 2), 0.01)))
    grid = make.op("Reshape", offsets, make.const([1, 4, 1, 2]))
    first, second = (make.op("GridSample", image, grid, align_corners=corners) for corners in (0, 1))
    _, made, written = halved(make.model(out=make.op("Add", first, second)), tmp_path)
    names = [value.name for node in made.model.graph for value in node.outputs]
    assert len(names) == len(set(names))
    assert measurable(written, tmp_path) != written


def test_the_loss_is_that_of_16_bits(tmp_path: Path) -> None:
    """Loss is measured with every result rounded: more than nothing, less than a hundredth of the values."""
    path, _, written = halved(sampling_model(), tmp_path)
    loss = measure(path, measurable(written, tmp_path), frames(path), ["out"])["out"]
    assert 1e-5 < loss.max_abs < 0.1
    assert loss.cosine > 0.99999


def overflowing() -> onnx.ModelProto:
    """Return a model whose inner value is far beyond 65504, and whose output is small."""
    make = GraphMaker()
    large = make.op("MatMul", make.input("x", (1, 4)), make.const(np.full((4, 4), 1e5)))
    return make.model(out=make.op("MatMul", large, make.const(np.full((4, 4), 1e-4))))


def test_an_overflow_that_the_runtime_hides_fails(tmp_path: Path) -> None:
    """ONNX Runtime carries float32 on between nodes of 16 bits; what a chip would compute is infinite, and an error."""
    path, _, written = halved(overflowing(), tmp_path)
    shown = [{"x": np.full((1, 4), 100.0, np.float32)}]
    (compared,) = compare_models(path, written, shown).outputs.values()
    assert np.isfinite(compared.max_abs)
    with pytest.raises(VerificationError, match="converted model: output 'out': expected finite numbers"):
        measure(path, measurable(written, tmp_path), shown, ["out"])


def test_16_bits_of_places_are_worse(tmp_path: Path) -> None:
    """Without the list, places are rounded to 16 bits and the output is further off."""
    path, _, written = halved(sampling_model(), tmp_path)
    with_list = measure(path, measurable(written, tmp_path), frames(path), ["out"])["out"]
    from specialize.precision.half import to_half

    bare = to_half(as_graph(sampling_model()), frozenset())
    write_graph(bare, tmp_path / "bare.onnx")
    (tmp_path / "aside").mkdir()
    without = measure(path, measurable(tmp_path / "bare.onnx", tmp_path / "aside"), frames(path), ["out"])[
        "out"
    ]
    assert without.max_abs > 1.5 * with_list.max_abs
