"""The whole of BEVFormer-tiny is built for every target: proven, read by ONNX's checker, and no node refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from specialize import targets
from tests.end_to_end.tiny_model import write_tiny
from tools.targets.builds import checked, describe, record

OWN_RANK = {"denglin": 6}
"""Targets whose own operator reads tensors of more than four axes."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store that all targets share, so that the detector is exported once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def _own_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECIALIZE_STORE", str(store))


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_target_takes_the_whole_detector(name: str, tmp_path: Path) -> None:
    """Two frames equal the original; opset, ranks and operators are the target's; every file is written."""
    found = record(name, tmp_path / "build")
    toolchain = targets.target(name).TOOLCHAIN
    assert found["built"] and found["verified"], found
    assert found["difference"] < 1e-4
    assert found["checked"] in ("passed", "passed, its plugins set apart")
    assert toolchain.opsets[0] <= found["opset"] <= toolchain.opset
    assert found["rank"] <= OWN_RANK.get(name, 4)
    assert found["nodes"]["refused"] == 0
    assert found["files"] == list(toolchain.files)
    assert name in ("denglin", "horizon_j6", "ascend") or set(found["unknown"]) <= {"Log"}


def test_what_stops_a_build_is_recorded(tmp_path: Path) -> None:
    """A build that fails leaves its message instead of a line of numbers."""
    missing = tmp_path / "missing.onnx"
    found = record("qnn", tmp_path / "build", str(missing))
    assert not found["built"] and "missing.onnx" in found["message"]


def test_a_file_is_described_as_it_is(tmp_path: Path) -> None:
    """Opset, rank, verdicts and the checker's answer are those of the file."""
    path = write_tiny(tmp_path)
    found = describe(path, "horizon_j5")
    assert found["opset"] == 17 and found["checked"] == "passed" and found["custom"] == {}
    assert found["nodes"]["refused"] > 0
    model = onnx.load(path)
    model.graph.node[0].op_type = "RotateTRT"
    onnx.save(model, path)
    assert checked(path) == "passed, its plugins set apart"
    model.graph.node[1].op_type = "Rotate"
    onnx.save(model, path)
    assert checked(path).startswith("refused")


@pytest.mark.parametrize(
    ("domain", "operator", "named"),
    [("", "RotateTRT", "RotateTRT"), ("trt", "Plugin_TRT", "trt::Plugin_TRT"), ("DL", "Other", "DL::Other")],
)
def test_an_operator_of_its_own_is_counted_once(
    tmp_path: Path, domain: str, operator: str, named: str
) -> None:
    """With a domain or without, whatever its name ends in."""
    whole = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4, 4])
    nodes = [
        onnx.helper.make_node(operator, ["x", "x", "x"], ["r"], "own", domain=domain),
        onnx.helper.make_node("Relu", ["r"], ["y"], "relu"),
    ]
    made = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4, 4])
    opsets = [onnx.helper.make_opsetid("", 17), *([onnx.helper.make_opsetid(domain, 1)] if domain else [])]
    graph = onnx.helper.make_graph(nodes, "own", [whole], [made])
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets), tmp_path / "own.onnx")
    assert describe(tmp_path / "own.onnx", "tensorrt")["custom"] == {named: 1}
