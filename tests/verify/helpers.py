"""Small models to compare: a gather of visible rows, row-wise work, and the sum back to queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QUERIES, CHANNELS = 60, 8
PAIRS = np.array([[q, 60 + q] for q in range(QUERIES)])  # two rows per query, one per camera


def weights(seed: int = 0) -> np.ndarray:
    """Return the (C, C) float32 weights of the row-wise work."""
    return np.random.default_rng(seed).normal(size=(CHANNELS, CHANNELS)).astype(np.float32)


def write_model(
    path: Path, weight: np.ndarray, pairs: np.ndarray = PAIRS, output: str = "bev", scale: float = 1.0
) -> Path:
    """Write `rows [120, C] -> MatMul -> Gather [Q, 2, C] -> ReduceSum -> bev [Q, C]`, and `label [Q]`."""
    nodes = [
        helper.make_node("MatMul", ["rows", "weight"], ["worked"]),
        helper.make_node("Mul", ["worked", "scale"], ["scaled"]),
        helper.make_node("Gather", ["scaled", "pairs"], ["pair_rows"], axis=0),
        helper.make_node("ReduceSum", ["pair_rows", "one"], [output], keepdims=0),
        helper.make_node("ArgMax", [output], ["label"], axis=1, keepdims=0),
    ]
    constants = {
        "weight": weight,
        "pairs": pairs,
        "one": np.array([1]),
        "scale": np.array(scale, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "rows",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [2 * QUERIES, CHANNELS])],
        [
            helper.make_tensor_value_info(output, TensorProto.FLOAT, [QUERIES, CHANNELS]),
            helper.make_tensor_value_info("label", TensorProto.INT64, [QUERIES]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return path


def write_elementwise(path: Path, operator: str, shape: tuple[int, ...], inputs: int = 1) -> Path:
    """Write a model of one operator on inputs `x`, `y`, ... to the output `out`."""
    names = ["x", "y", "z"][:inputs]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["out"])],
        operator,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path
