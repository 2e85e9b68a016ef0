"""Scatters that add are run on one thread, because ONNX Runtime loses additions on several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.graph import folding
from specialize.graph.racing import file_nodes, safe_threads
from specialize.verify.runtime import open_onnxruntime
from tests.graphs import GraphMaker

PLACES = np.random.default_rng(0).integers(0, 3, 20_000)


def adding(rows: np.ndarray | None) -> onnx.ModelProto:
    """Return a model that adds 20,000 rows to three places, the rows an input or constant."""
    g = GraphMaker()
    table = g.const(np.zeros((3, 16), np.float32))
    source = g.input("x", (len(PLACES), 16)) if rows is None else g.const(rows)
    return g.model(out=g.op("ScatterND", table, g.const(PLACES[:, None]), source, reduction="add"))


def expected(rows: np.ndarray) -> np.ndarray:
    """Return the sums in float64."""
    wanted = np.zeros((3, 16))
    np.add.at(wanted, PLACES, rows.astype(np.float64))
    return wanted


@pytest.mark.parametrize(("reduction", "threads"), [("add", 1), ("max", 1), ("", 4)])
def test_only_a_reduction_asks_for_one_thread(reduction: str, threads: int) -> None:
    """A plain ScatterND writes places once and may use several."""
    attributes = {"reduction": reduction} if reduction else {}
    node = onnx.helper.make_node("ScatterND", ["a", "b", "c"], ["d"], **attributes)
    assert safe_threads([node], 4) == threads
    graph = onnx.helper.make_graph([node], "branch", [], [])
    around = onnx.helper.make_node("If", ["flag"], ["d"], then_branch=graph, else_branch=graph)
    assert safe_threads([around], 4) == threads


def test_a_model_with_one_is_run_right(tmp_path: Path) -> None:
    """Asked for two threads, verification still gets the sums, time after time."""
    onnx.save(adding(None), str(tmp_path / "m.onnx"))
    assert safe_threads(file_nodes(tmp_path / "m.onnx"), 2) == 1
    rows = np.random.default_rng(1).standard_normal((len(PLACES), 16)).astype(np.float32)
    runner = open_onnxruntime(tmp_path / "m.onnx", threads=2)
    for _ in range(3):
        np.testing.assert_allclose(runner.run({"x": rows})["out"], expected(rows), rtol=1e-3, atol=1e-2)


def test_a_folded_one_is_right() -> None:
    """Constants are computed on one thread where they are sums of that kind."""
    rows = np.random.default_rng(1).standard_normal((len(PLACES), 16)).astype(np.float32)
    model = ir.from_proto(adding(rows))
    folding.fold(model)
    (constant,) = (
        value.const_value.numpy()
        for value in model.graph.initializers.values()
        if value.const_value is not None and value.const_value.shape == (3, 16)
    )
    np.testing.assert_allclose(constant, expected(rows), rtol=1e-3, atol=1e-2)
