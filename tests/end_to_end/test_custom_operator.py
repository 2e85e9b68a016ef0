"""A model whose attention is a vendor's operator, which no runtime here takes, is specialized and proven too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from specialize.artifact import Build
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import CAMERAS, CHANNELS, COLUMNS, GRID, ROWS, SPEC, tiny_model, write_tiny

READ = ["value", "levels", "starts", "locations", "weights"]


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))


def with_custom_operator(operator: str, domain: str) -> onnx.ModelProto:
    """Return the tiny model with its sampling written as a vendor's deformable attention of one head and point."""
    model = tiny_model()
    graph = model.graph
    sample = next(node for node in graph.node if node.op_type == "GridSample")
    rows = next(node for node in graph.node if node.op_type == "Expand")
    worked = next(node for node in graph.node if node.op_type == "Transpose")
    constants = {
        "levels": np.array([[ROWS, COLUMNS]], np.int32), "starts": np.array([0], np.int32),
        "one": np.array(1, np.float32), "half": np.array(0.5, np.float32),
        "weights5": np.array([CAMERAS, GRID.queries, 1, 1, 1]),
        "mix": np.full((CHANNELS, 1), 0.5, np.float32),
        "value_shape": np.array([CAMERAS, CHANNELS, ROWS * COLUMNS]),
        "value4": np.array([CAMERAS, ROWS * COLUMNS, 1, CHANNELS]),
        "places6": np.array([CAMERAS, GRID.queries, 1, 1, 1, 2]),
        "result": np.array([CAMERAS, GRID.queries, CHANNELS]),
    }  # fmt: skip
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    made = [
        helper.make_node("Reshape", ["features", "value_shape"], ["flat"], "flat"),
        helper.make_node("Transpose", ["flat"], ["turned"], "turned", perm=[0, 2, 1]),
        helper.make_node("Reshape", ["turned", "value4"], ["value"], "value"),
        helper.make_node("Add", [sample.input[1], "one"], ["raised"], "raised"),
        helper.make_node("Mul", ["raised", "half"], ["halved"], "halved"),
        helper.make_node("MatMul", [rows.output[0], "mix"], ["logits"], "logits"),
        helper.make_node("Sigmoid", ["logits"], ["gate"], "gate"),
        helper.make_node("Reshape", ["gate", "weights5"], ["weights"], "weights"),
        helper.make_node("Reshape", ["halved", "places6"], ["locations"], "locations"),
        helper.make_node(operator, READ, ["attended"], "attention", domain=domain),
        helper.make_node("Reshape", ["attended", "result"], [worked.output[0]], "joined"),
    ]  # fmt: skip
    at = list(graph.node).index(sample)
    kept = [
        node for node in graph.node if node is not sample and node is not worked and node.op_type != "Squeeze"
    ]
    del graph.node[:]
    graph.node.extend([*kept[:at], *made, *kept[at:]])
    del graph.value_info[:]
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("MultiscaleDeformableAttnPlugin_TRT", "trt"), ("MultiScaleDeformableAttn", "npu")],
)
def test_a_model_that_no_runtime_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], operator: str, domain: str
) -> None:
    """It reaches the same pairs as the same model in standard operators, and the build is proven."""
    plain = write_tiny(tmp_path / "plain")
    own = tmp_path / "own" / "tiny.onnx"
    own.parent.mkdir()
    onnx.save(with_custom_operator(operator, domain), own)
    own.with_suffix(".model.yaml").write_text(SPEC.to_text())
    pairs = []
    for model in (plain, own):
        folder = tmp_path / f"build_{model.parent.name}"
        ran = run_here(capsys, "build", "--calib", CAR42, "--model", model, "-o", folder, "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["schema"].startswith("specialize/build")
        pairs.append([site.pairs for site in Build.open(folder).manifest.sites])
    assert pairs[0] == pairs[1] != []


def test_a_build_with_a_custom_operator_is_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a toolchain with an operator of its own, the emitted model has it, and what it means is compared."""
    own = tmp_path / "tiny.onnx"
    onnx.save(with_custom_operator("MultiScaleDeformableAttn", "npu"), own)
    own.with_suffix(".model.yaml").write_text(SPEC.to_text())
    folder = tmp_path / "build"
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", own, "--target", "denglin", "-o", folder)
    assert ran.code == 0, ran.err
    build = Build.open(folder)
    found = {(node.domain, node.op_type) for node in onnx.load(build.model).graph.node}
    assert ("DL", "MultiScaleDeformableAttnFunction") in found
    assert not any(domain in ("npu", "com.microsoft") for domain, _ in found)
    assert build.manifest.verify.passed
    assert build.manifest.source["reference"] == "in standard operators"
    assert any("ONNX Runtime has no npu::" in warning for warning in build.manifest.warnings)
