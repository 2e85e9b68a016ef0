"""A graph that is read once, and copied for each that changes it."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from specialize.graph.graph_file import GraphFile
from specialize.graph.io import read_graph
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
