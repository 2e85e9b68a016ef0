"""Sums of products as processors without dot products of 8 bits compute them: two products saturate in 16 bits.

x86 before VNNI multiplies unsigned by signed bytes, adds each two neighbours in 16 bits and saturates there
(`vpmaddubsw`), then adds the sums in 32 bits. Signed activations are moved by 128 first, and 128 times the sum of the
weights is taken away again. ONNX Runtime takes neighbours along the summed axis, as here; which two other kernels add
is their own, so that a model with saturated sums has no one result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

Arrays = dict[str, np.ndarray]
DOMAIN = "saturating"


def saturating_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the int32 product (M, N) of uint8 (M, K) and int8 (K, N), two products at a time saturated in 16 bits."""
    odd = left.shape[1] % 2
    rows = np.pad(left.astype(np.int32), ((0, 0), (0, odd)))
    columns = np.pad(right.astype(np.int32), ((0, odd), (0, 0)))
    pairs = (
        rows[:, 0::2, None] * columns[None, 0::2] + rows[:, 1::2, None] * columns[None, 1::2]
    )  # (M, K/2, N)
    return np.clip(pairs, -(2**15), 2**15 - 1).sum(axis=1, dtype=np.int32)


class SaturatingMatMul(OpRun):
    """The product of quantized rows (M, K) and weights (K, N), in float32."""

    op_domain = DOMAIN

    def _run(self, rows: np.ndarray, scale: Any, zero: Any, weights: np.ndarray, scales: Any) -> Any:
        return (_rescaled(rows, scale, zero, weights, scales),)


class SaturatingConv(OpRun):
    """The convolution of quantized (1, C, h, w) with kernels (O, C, 1, 1), in float32."""

    op_domain = DOMAIN

    def _run(self, image: np.ndarray, scale: Any, zero: Any, weights: np.ndarray, scales: Any) -> Any:
        assert weights.shape[2:] == (1, 1) and image.shape[0] == 1
        rows = image[0].reshape(image.shape[1], -1).T  # (h w, C)
        found = _rescaled(rows, scale, zero, weights[:, :, 0, 0].T, scales)  # (h w, O)
        return (found.T.reshape(1, -1, *image.shape[2:]),)


def _rescaled(rows: np.ndarray, scale: Any, zero: Any, weights: np.ndarray, scales: Any) -> np.ndarray:
    lowest = int(np.iinfo(rows.dtype).min)
    moved = (rows.astype(np.int32) - lowest).astype(np.uint8)
    sums = saturating_product(moved, weights)
    sums -= (int(zero) - lowest) * weights.sum(axis=0, dtype=np.int32)
    return (sums * np.float32(scale) * np.asarray(scales, np.float32)).astype(np.float32)


def run_saturating(path: Path, feeds: Arrays) -> Arrays:
    """Run a model whose quantized products are saturating ones; their operands have no zero point in weights."""
    model = onnx.load(path)
    pairs = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    replaced = 0
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.s == b"bilinear":
                attribute.s = b"linear"  # its name from opset 20 on
        if node.op_type in ("Conv", "MatMul") and all(name in pairs for name in node.input):
            left, right = (pairs[name].input for name in node.input)
            del node.input[:], node.attribute[:]
            node.input.extend([*left, *right[:2]])
            node.domain, node.op_type = DOMAIN, f"Saturating{node.op_type}"
            replaced += 1
    assert replaced
    for opset in model.opset_import:
        opset.version = max(
            opset.version, 19
        )  # the evaluator has no older pairs; those of 19 compute the same
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    evaluator = ReferenceEvaluator(model, new_ops=[SaturatingMatMul, SaturatingConv])
    names = [value.name for value in model.graph.output]
    return dict(zip(names, evaluator.run(None, {n: feeds[n] for n in evaluator.input_names}), strict=True))
