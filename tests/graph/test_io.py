"""Models of unknown origin are read: errors are explained, and old opsets are raised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from specialize.errors import InputError
from specialize.graph.io import external_files, opset_of, read_graph, write_graph
from tests.graphs import GraphMaker, assert_same, random_feeds


def small(opset: int = 17) -> onnx.ModelProto:
    """Return `x [2, 3] @ weight`."""
    g = GraphMaker(opset)
    x = g.input("x", (2, 3))
    return g.model(out=g.op("MatMul", x, g.const(np.arange(12).reshape(3, 4), np.float32)))


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    """Write a model and return its path."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def refused(path: Path) -> str:
    """Return what reading a file complains of."""
    with pytest.raises(InputError) as caught:
        read_graph(path)
    return str(caught.value)


def test_a_model_is_read_as_it_is(tmp_path: Path) -> None:
    """Same inputs, same outputs, same numbers."""
    model = small()
    assert_same(model, read_graph(saved(model, tmp_path)), random_feeds(model))


def test_a_missing_file(tmp_path: Path) -> None:
    """The path is named."""
    assert "no such file" in refused(tmp_path / "none.onnx")


def test_a_truncated_file(tmp_path: Path) -> None:
    """Half a protobuf is no model."""
    path = saved(small(), tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "ONNX model" in refused(path)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    """Text is no model."""
    path = tmp_path / "model.onnx"
    path.write_text("hello")
    refused(path)


@pytest.mark.parametrize("opset", [9, 99])
def test_an_unknown_opset(tmp_path: Path, opset: int) -> None:
    """Opsets that are too old or too new are errors that state the range."""
    model = small()
    model.opset_import[0].version = opset
    assert "opset 11 to 26" in refused(saved(model, tmp_path))


def test_a_cycle(tmp_path: Path) -> None:
    """A graph whose nodes wait for each other is no graph."""
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    graph = helper.make_graph(nodes, "cycle", [info], [helper.make_empty_tensor_value_info("b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    assert "without cycles" in refused(saved(model, tmp_path))


def test_negative_dimensions(tmp_path: Path) -> None:
    """An input cannot have fewer than no rows."""
    model = small()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -3
    assert "input 'x'" in refused(saved(model, tmp_path))


def test_too_little_data(tmp_path: Path) -> None:
    """A weight with fewer bytes than its shape asks for is a truncated file."""
    model = small()
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    assert "truncated" in refused(saved(model, tmp_path))


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd"])
def test_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    """A model from a stranger does not read files elsewhere."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(48))
    model = small()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    refused(saved(model, folder))


def test_data_that_is_not_there(tmp_path: Path) -> None:
    """Missing weights are named with their file."""
    path = tmp_path / "model.onnx"
    onnx.save(small(), str(path), save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").unlink()
    assert "weights" in refused(path)


def test_external_data_is_kept(tmp_path: Path) -> None:
    """Weights beside the graph are read from there, and their file is known."""
    path = tmp_path / "model.onnx"
    model = small()
    onnx.save(small(), str(path), save_as_external_data=True, location="weights", size_threshold=0)
    read = read_graph(path)
    assert external_files(path) == ["weights"]
    assert_same(model, ir.external_data.load_to_model(read), random_feeds(model))


def test_initializers_that_are_inputs_become_constants(tmp_path: Path) -> None:
    """Old exporters list weights among the inputs; these are not fed."""
    model = small()
    weight = model.graph.initializer[0]
    model.graph.input.append(helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    assert [value.name for value in read_graph(saved(model, tmp_path)).graph.inputs] == ["x"]


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    """A function of the file is what its nodes are."""
    body = [helper.make_node("Relu", ["a"], ["b"])]
    function = helper.make_function("mine", "Half", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    g = GraphMaker(domains=["mine"])
    x = g.input("x", (2, 3))
    model = g.model(out=g.op("Half", x, domain="mine"))
    model.functions.append(function)
    read = read_graph(saved(model, tmp_path))
    assert [node.op_type for node in read.graph] == ["Relu", "Identity"]


@pytest.mark.parametrize("opset", [11, 12])
def test_old_opsets_are_raised(tmp_path: Path, opset: int) -> None:
    """What specialization writes needs opset 13; attributes that have become inputs are converted."""
    g = GraphMaker(opset)
    x = g.input("x", (1, 2, 3))
    total = g.op("ReduceSum", g.op("Softmax", x, axis=2), axes=[0], keepdims=0)
    model = g.model(out=g.op("Unsqueeze", total, axes=[1]))
    read = read_graph(saved(model, tmp_path))
    assert opset_of(read) == 13
    assert_same(model, read, random_feeds(model))


def test_external_data_inside_nodes_is_known(tmp_path: Path) -> None:
    """Files of constants in attributes and in branches count too; one that leads out of the folder is refused."""
    inner, outer = (numpy_helper.from_array(np.ones(3, np.float32), name) for name in ("inner", "outer"))
    for tensor, location in ((inner, "a.bin"), (outer, "b.bin")):
        onnx.external_data_helper.set_external_data(tensor, location)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        (tmp_path / location).write_bytes(bytes(12))
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3])
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["y"], value=inner)], "branch", [], [value], [outer]
    )
    node = onnx.helper.make_node("If", ["condition"], ["z"], then_branch=branch, else_branch=branch)
    graph = onnx.helper.make_graph([node], "g", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    assert external_files(tmp_path / "model.onnx") == ["a.bin", "b.bin"]
    outer.external_data[0].value = "../b.bin"
    outside = onnx.helper.make_graph([], "g", [], [], [outer])
    onnx.save_model(onnx.helper.make_model(outside), tmp_path / "out.onnx")
    with pytest.raises(InputError, match="in the model's folder"):
        external_files(tmp_path / "out.onnx")


def test_weights_of_old_opsets_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised to a newer opset, a model still reads its weights from the file beside it, wherever one stands."""
    g = GraphMaker(11)
    weights = np.arange(4096, dtype=np.float32).reshape(64, 64)
    model = ir.from_proto(g.model(y=g.op("MatMul", g.input("x", (1, 64)), g.const(weights))))
    write_graph(model, tmp_path / "old.onnx", "old.weights")
    monkeypatch.chdir(Path("/"))
    read = read_graph(tmp_path / "old.onnx")
    assert opset_of(read) == 13
    (kept,) = [value.const_value for value in read.graph.initializers.values()]
    assert external_files(tmp_path / "old.onnx") == ["old.weights"] and kept is not None
    np.testing.assert_array_equal(kept.numpy(), weights)


def test_writing_is_reproducible(tmp_path: Path) -> None:
    """The same graph gives the same bytes."""
    path = saved(small(), tmp_path)
    written = []
    for name in ("a.onnx", "b.onnx"):
        write_graph(read_graph(path), tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_large_weights_go_to_a_file_of_their_own(tmp_path: Path) -> None:
    """With a name for the weights, the graph's file stays small and still runs."""
    model = small()
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.ones((3, 400), np.float32), model.graph.initializer[0].name)
    )
    path = saved(onnx.shape_inference.infer_shapes(model, check_type=False), tmp_path)
    del model.graph.value_info[:]
    write_graph(read_graph(path), tmp_path / "split.onnx", "split.weights")
    assert (tmp_path / "split.weights").stat().st_size >= 4800
    assert external_files(tmp_path / "split.onnx") == ["split.weights"]


def test_a_constant_has_the_type_of_its_values(tmp_path: Path) -> None:
    """Whether the graph declares one or, as for weights that are an output too, does not."""
    make = GraphMaker()
    weights = make.const(np.array([1.0, 2.0], np.float32))
    model = make.model(out=make.op("Mul", make.input("x", (2,)), weights))
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(weights))
    onnx.save(model, tmp_path / "m.onnx")
    value = read_graph(tmp_path / "m.onnx").graph.initializers[weights]
    assert (value.dtype, value.shape) == (ir.DataType.FLOAT, ir.Shape([2]))
