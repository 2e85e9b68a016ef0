"""The custom operators of deformable attention as their makers describe them, for `onnx.reference` to run.

Written from the descriptions alone, by loops, apart from the code that reads and writes these operators.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from tests.attention.graphs import Case, attend, softmax


def _attend(value: np.ndarray, shapes: np.ndarray, locations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    n, _, m, d = value.shape
    levels = tuple((int(h), int(w)) for h, w in shapes)
    case = Case(n, locations.shape[1], m, d, locations.shape[4], levels)
    return attend(case, value, locations, weights).astype(np.float32)


def _check(*checks: tuple[np.ndarray, type, int]) -> None:
    for array, kind, rank in checks:
        assert array.dtype == kind and array.ndim == rank, (array.dtype, array.shape)


class MicrosoftAttention(OpRun):
    """`com.microsoft::MultiScaleDeformableAttn(value, shapes, locations, weights)`."""

    op_domain = "com.microsoft"
    op_schema = None

    def _run(self, value, shapes, locations, weights):  # type: ignore[no-untyped-def]
        _check((shapes, np.int64, 2))
        return (_attend(value, shapes, locations, weights),)


MicrosoftAttention.__name__ = "MultiScaleDeformableAttn"


def _plain(domain: str, name: str, split: bool, index: type, has_step: bool) -> type[OpRun]:
    """Return an operator that reads value, shapes, starts, locations and weights."""

    class Plain(OpRun):
        op_domain = domain

        def _run(self, value, shapes, starts, locations, weights, *rest, **attributes):  # type: ignore[no-untyped-def]
            _check(
                (shapes, index, 2), (starts, index, 1), (locations, np.float32, 6), (weights, np.float32, 5)
            )
            areas = np.prod(shapes, axis=1)
            assert starts.tolist() == [int(areas[:level].sum()) for level in range(len(areas))]
            assert ("im2col_step" in attributes) == has_step
            out = _attend(value, shapes, locations, weights)
            if name.startswith("MultiScaleDeformableAttnFunction"):
                assert [int(number) for number in rest] == list(out.shape)
            return (out.reshape(*out.shape[:2], value.shape[2], value.shape[3]) if split else out,)

    Plain.__name__ = name
    return Plain


def _in_pixels(name: str) -> type[OpRun]:
    """Return a TensorRT operator that normalizes offsets and takes the softmax itself."""

    class InPixels(OpRun):
        op_domain = ""

        def _run(self, value, shapes, reference, offsets, logits):  # type: ignore[no-untyped-def]
            _check(
                (shapes, np.int32, 2),
                (reference, np.float32, 4),
                (offsets, np.float32, 4),
                (logits, np.float32, 4),
            )
            n, q, m, samples = logits.shape
            points = samples // len(shapes)
            anchors = reference.reshape(n, q, -1, 2)
            moved = offsets.reshape(n, q, m, len(shapes), points, 2).astype(np.float64)
            locations = np.empty_like(moved)
            for level, (h, w) in enumerate(shapes):
                for point in range(points):
                    anchor = anchors[:, :, None, point % anchors.shape[2]]
                    locations[:, :, :, level, point] = anchor + moved[:, :, :, level, point] / (w, h)
            weights = softmax(logits.astype(np.float64)).reshape(n, q, m, len(shapes), points)
            return (_attend(value, shapes, locations, weights).reshape(n, q, m, -1),)

    InPixels.__name__ = name
    return InPixels


def operators() -> list[type[OpRun]]:
    """Return all operators."""
    return [
        MicrosoftAttention,
        _plain("DL", "MultiScaleDeformableAttnFunction", False, np.int64, True),
        _plain("trt", "MultiscaleDeformableAttnPlugin_TRT", True, np.int32, False),
        _plain("custom_op", "MultiScaleDeformableAttentionPlugin", False, np.int32, False),
        _plain("mmdeploy", "MMCVMultiScaleDeformableAttention", False, np.int32, True),
        _plain("npu", "MultiScaleDeformableAttn", False, np.int32, False),
        _in_pixels("MultiScaleDeformableAttnTRT"),
        _in_pixels("MultiScaleDeformableAttnTRT2"),
    ]


def run_reference(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what a model with custom operators computes, node by node."""
    evaluator = ReferenceEvaluator(model, new_ops=operators())
    return dict(zip(evaluator.output_names, evaluator.run(None, feeds), strict=True))
