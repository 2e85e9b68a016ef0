"""What follows from a model alone is computed once for all vehicles, and only that."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from specialize.compiler import original
from specialize.compiler.garbage import own_garbage
from specialize.compiler.original import count_once, count_original
from specialize.graph.remembered import Remembered
from tests.compiler.test_original import MASK, masked


def test_only_the_last_results_are_kept() -> None:
    """The one that was not asked for longest goes first."""
    kept: Remembered[int] = Remembered(most=2)
    assert kept.get("a") is None
    kept.keep("a", 1), kept.keep("b", 2)
    assert kept.get("a") == 1
    kept.keep("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


def _scaled(path: Path) -> Path:
    """Write `x * scale`, whose shapes are numbers."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "scale")]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [4])]
    graph = helper.make_graph([helper.make_node("Mul", ["x", "scale"], ["out"])], "scaled", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_model_of_fixed_shapes_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next vehicle's costs are the first one's; another file's are not."""
    path = _scaled(tmp_path / "scaled.onnx")
    first = count_once("one", path, {"scale": np.ones(4, np.float32)})
    monkeypatch.setattr(original, "read_original", lambda path: pytest.fail("read again"))
    assert count_once("one", path, {"scale": np.zeros(4, np.float32)}) == first
    monkeypatch.undo()
    assert first == count_original(path, {"scale": np.zeros(4, np.float32)})
    assert count_once("other", masked(tmp_path / "masked.onnx"), {"mask": MASK}) != first


def test_costs_that_the_calibration_decides_are_counted_for_each_vehicle(tmp_path: Path) -> None:
    """A mask of fewer rows costs less."""
    path = masked(tmp_path / "masked.onnx")
    few = np.array([1, 0, 0, 0, 0, 0], dtype=np.float32)
    counts = [count_once("masked", path, {"mask": mask}).total().flops for mask in (MASK, few)]
    assert counts == [count_original(path, {"mask": mask}).total().flops for mask in (MASK, few)]
    assert counts[1] < counts[0]


def test_the_collector_is_left_as_it_was() -> None:
    """Objects are set aside for a block alone, errors or not, and never what a caller has set aside."""
    with pytest.raises(ValueError), own_garbage():
        assert gc.get_freeze_count() > 0
        raise ValueError
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        with own_garbage():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
