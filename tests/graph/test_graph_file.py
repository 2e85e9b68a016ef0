"""A graph that is read once, and copied for each that changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.graph.graph_file import GraphFile, in_folder
from specialize.graph.io import read_graph, write_graph
from tests.end_to_end.tiny_model import tiny_model


def test_a_copy_is_the_graph_of_the_file_and_nobody_elses(tmp_path: Path) -> None:
    """A copy has the bytes of a fresh reading, and what is done to it is seen nowhere else."""
    path = tmp_path / "model.onnx"
    onnx.save(tiny_model(), path)
    file = GraphFile(path)
    path.unlink() if file.look() is file.look() else None
    one, other = file.copy(), file.copy()
    onnx.save(tiny_model(), path)
    wanted = ir.to_proto(read_graph(path)).SerializeToString(deterministic=True)
    for node in list(one.graph)[-1:]:
        node.op_type = "Changed"
    one.graph.outputs.clear()
    assert ir.to_proto(other).SerializeToString(deterministic=True) == wanted
    assert ir.to_proto(file.look()).SerializeToString(deterministic=True) == wanted


def test_a_graph_reads_the_weights_of_another_folder(tmp_path: Path) -> None:
    """A copy in another folder has the bytes of the file there, and reads its weights where the first one are gone."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        model = ir.from_proto(tiny_model())
        weights = ir.Value(name="weights", const_value=ir.tensor(np.arange(2048, dtype=np.float32)))
        model.graph.register_initializer(weights)
        write_graph(model, folder / "model.onnx", "weights.bin")
    kept = read_graph(first / "model.onnx")
    shutil.rmtree(first)
    moved, fresh = in_folder(kept, second), read_graph(second / "model.onnx")
    sent = [ir.to_proto(model).SerializeToString(deterministic=True) for model in (moved, fresh)]
    assert sent[0] == sent[1]
    np.testing.assert_array_equal(_weights(moved), np.arange(2048))
    with pytest.raises(FileNotFoundError):
        _weights(kept)


def _weights(model: ir.Model) -> np.ndarray:
    tensor = model.graph.initializers["weights"].const_value
    assert isinstance(tensor, ir.ExternalTensor)
    return tensor.numpy()
