"""The shares of a frame are those of the stored results, and nothing constant is left in a specialized model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from specialize.artifact import Build
from specialize.compiler.build import build
from specialize.explain.demo import FILES
from specialize.files.resources import resource_dir
from specialize.request import BuildRequest
from tests.cli.running import CAR42
from tools.frame_shares import MARKS, PAGE, RESULTS, classes_of, embeddings_of, measure, table


def test_the_page_has_the_stored_table() -> None:
    """Every figure of the table stands in the results, and the shares of a model sum to one."""
    text, data = PAGE.read_text(), json.loads(RESULTS.read_text())
    assert text == MARKS.filled(text, table(data))
    for measured in data["models"].values():
        assert sum(one["share"] for one in measured["classes"].values()) == pytest.approx(1.0, abs=1e-3)


def test_nothing_constant_is_left(tmp_path: Path, store_dir: Path) -> None:
    """Every node of a specialized encoder depends on an input, but for a table that is cut into its cameras."""
    for name, source in FILES.items():
        shutil.copyfile(resource_dir(source) / name, tmp_path / name)
    request = BuildRequest(
        calib=CAR42, model=str(tmp_path / "encoder.onnx"), output=tmp_path / "car42", frames=1
    )
    made = Build.intact(build(request).build_dir)
    graph = onnx.load(made.model).graph
    classes = classes_of(graph)
    assert {node.op_type for node in graph.node if not classes[node.name]} <= {"Split"}
    found = measure(made)
    assert sum(one["share"] for one in found["classes"].values()) == pytest.approx(1.0, abs=1e-3)


def test_classes_go_through_nodes() -> None:
    """A node has the inputs of what it reads; one of constants alone has none; an embedding is a constant added."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["features"], "conv"),
        helper.make_node("Add", ["features", "embedding"], ["tokens"], "embed"),
        helper.make_node("Neg", ["embedding"], ["constant"], "waste"),
        helper.make_node("Add", ["tokens", "pose"], ["both"], "both"),
        helper.make_node("Add", ["both", "constant"], ["out"], "out"),
    ]
    sizes = {"image": [1, 3, 4, 4], "pose": [1, 1, 1, 1], "out": [1, 2, 4, 4]}
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()
    }
    weights = [
        helper.make_tensor("kernel", TensorProto.FLOAT, [2, 3, 1, 1], [1.0] * 6),
        helper.make_tensor("embedding", TensorProto.FLOAT, [2, 1, 1], [1.0, 2.0]),
    ]
    graph = helper.make_graph(nodes, "g", [values["image"], values["pose"]], [values["out"]], weights)
    onnx.checker.check_model(helper.make_model(graph))
    classes = classes_of(graph)
    assert classes == {
        "conv": ("image",),
        "embed": ("image",),
        "waste": (),
        "both": ("image", "pose"),
        "out": ("image", "pose"),
    }
    assert embeddings_of(graph, classes) == ["embed"]
