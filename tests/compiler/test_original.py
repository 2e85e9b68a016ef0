"""The original is counted whole: nodes whose shapes only a calibration determines, and those that compute geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from specialize.compiler.original import count_original, losses
from specialize.costs import count
from specialize.evidence.costs import FormCost, FormsReport
from specialize.graph.io import read_graph

ROWS, CHANNELS = 3, 8
MASK = np.array([1, 0, 1, 1, 0, 0], dtype=np.float32)


def masked(path: Path) -> Path:
    """Write `(x[mask != 0] @ w) ** 2`: only the mask says how many rows that are."""
    nodes = [
        helper.make_node("NonZero", ["mask"], ["places"], name="where"),
        helper.make_node("Transpose", ["places"], ["columns"], name="columns", perm=[1, 0]),
        helper.make_node("GatherND", ["x", "columns"], ["rows"], name="rows"),
        helper.make_node("MatMul", ["rows", "w"], ["y"], name="product"),
        helper.make_node("Mul", ["y", "y"], ["out"], name="square"),
    ]
    graph = helper.make_graph(
        nodes,
        "masked",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [len(MASK), CHANNELS]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, [len(MASK)]),
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 4])],
        [numpy_helper.from_array(np.ones((CHANNELS, 4), np.float32), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_rows_that_a_mask_chooses_are_counted(tmp_path: Path) -> None:
    """Unbound, the product counts as nothing; bound, it is exactly that of the chosen rows, and the mask counts too."""
    path = masked(tmp_path / "masked.onnx")
    unbound = count(read_graph(path))
    assert {entry.op for entry in unbound.uncounted} >= {"MatMul", "Mul"}
    found = count_original(path, {"mask": MASK})
    assert found.uncounted == ()
    by_name = {node.name: node for node in found.nodes}
    assert by_name["product"].multiply_adds == ROWS * CHANNELS * 4
    assert by_name["square"].flops == ROWS * 4
    assert by_name["where"].flops == len(MASK)
    assert found.peak_activation_bytes > 0


def _report(
    before: tuple[int, int, int], after: tuple[int, int, int], uncounted: tuple[str, ...] = ()
) -> FormsReport:
    """Return a report of operations, bytes and bytes of constants before and after."""
    forms = {}
    for name, (flops, moved, constants) in {"original": before, "specialized": after}.items():
        zero = dict.fromkeys(
            ("pairs", "attention_flops", "per_row_flops", "attention_bytes", "attention_samples"), 0
        )
        sizes = {"peak_bytes": moved, "weight_bytes": 0, "constant_bytes": constants}
        forms[name] = FormCost(model_flops=flops, model_bytes=moved, uncounted=uncounted, **zero, **sizes)
    return FormsReport(forms=forms)


def test_a_build_that_moves_more_than_it_saves_is_told() -> None:
    """More traffic for as many operations is a warning with its figures; a build that saves more than that is none."""
    (line,) = losses(_report((747, 100, 5), (738, 256, 59)))
    assert "2.56x the bytes" in line and "54 bytes more of constants" in line and "1.01x" in line
    assert losses(_report((700, 100, 5), (100, 130, 59))) == ()
    assert losses(_report((700, 100, 5), (690, 105, 59))) == ()
    assert losses(_report((700, 100, 5), (700, 300, 59), ("model_bytes",))) == ()
    assert losses(_report((0, 0, 0), (0, 0, 0))) == ()
