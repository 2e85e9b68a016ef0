"""The file that is shipped: dead nodes, dynamic shapes and scatters in it are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.errors import InternalError
from specialize.verify.written import read_written
from tests.graphs import GraphMaker


def written(g: GraphMaker, folder: Path, named: str = "", **outputs: str) -> Path:
    """Write a model; the last node but the outputs gets a name."""
    proto = g.model(**outputs)
    if named:
        proto.graph.node[-1 - len(outputs)].name = named
    path = folder / "model.onnx"
    onnx.save(proto, str(path))
    return path


def test_a_whole_static_model_has_nothing_left(tmp_path: Path) -> None:
    """Static shapes and live nodes: nothing to say."""
    g = GraphMaker()
    path = written(g, tmp_path, out=g.op("Relu", g.input("x", (2, 3))))
    assert read_written(path).warnings() == ()


def test_a_dead_node_is_a_bug(tmp_path: Path) -> None:
    """A node that no output depends on is named."""
    g = GraphMaker()
    x = g.input("x", (2, 3))
    g.op("Exp", x)
    with pytest.raises(InternalError, match="1 that do not: Exp"):
        read_written(written(g, tmp_path, out=g.op("Relu", x)))


@pytest.mark.parametrize(("named", "fails"), [("specialize/site/0", True), ("head/NonZero", False)])
def test_a_dynamic_shape_is_a_bug_or_a_warning(tmp_path: Path, named: str, fails: bool) -> None:
    """What a pass made must be static; data-dependent shapes of the input model are reported."""
    g = GraphMaker()
    path = written(g, tmp_path, named, out=g.op("NonZero", g.input("x", (2, 3))))
    if fails:
        with pytest.raises(InternalError, match="static shapes"):
            read_written(path)
    else:
        (text,) = read_written(path).warnings()
        assert "NonZero 'head/NonZero'" in text


def test_a_scatter_of_ours_is_a_bug(tmp_path: Path) -> None:
    """No pass scatters, whatever the mode; scatters of the input model are only reported."""
    g = GraphMaker()
    table, rows = g.const(np.zeros((4, 3), np.float32)), g.input("x", (4, 3))
    out = g.op("ScatterND", table, g.const([[0], [0], [1], [1]]), rows, reduction="add")
    own = written(g, tmp_path, "specialize/pool/3_ScatterND", out=out)
    with pytest.raises(InternalError, match="no scatter"):
        read_written(own)
    theirs = written(g, tmp_path, "pool/ScatterND", out=out)
    assert "scatters remain" in read_written(theirs).warnings()[0]


def test_what_a_branch_captures_is_alive(tmp_path: Path) -> None:
    """A value that only a subgraph reads is needed."""
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["outer"], ["inside"])],
        "branch", [], [onnx.helper.make_tensor_value_info("inside", onnx.TensorProto.FLOAT, [2])],
    )  # fmt: skip
    nodes = [
        onnx.helper.make_node("Exp", ["x"], ["outer"]),
        onnx.helper.make_node("If", ["flag"], ["out"], then_branch=inner, else_branch=inner),
    ]
    infos = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2])
        for name in ("x", "out", "outer")
    ]
    flag = onnx.helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, [])
    graph = onnx.helper.make_graph(nodes, "g", [infos[0], flag], [infos[1]], value_info=[infos[2]])
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "m.onnx"))
    assert read_written(tmp_path / "m.onnx").dynamic == ()
