"""Define the cost of every operator in one table. An operator without an entry is listed as uncounted, never as zero.

Element-wise operators count one operation per element of the output, whatever a chip needs for an exponential.
Operators that only move data count none here; their bytes are counted like those of all others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from specialize.costs import products, sampling
from specialize.costs.node import NodeView, Work
from specialize.graph.ops import VIEWS


@dataclass(frozen=True, slots=True)
class Formula:
    """How an operator is counted.

    Attributes:
        work: Takes the node, returns its arithmetic.
        text: The same for people, in terms of the output y and the inputs.
    """

    work: Callable[[NodeView], Work]
    text: str


def _per_output(count: int) -> Callable[[NodeView], Work]:
    return lambda view: Work(other=count * view.out_size())


def _per_input(count: int) -> Callable[[NodeView], Work]:
    return lambda view: Work(other=count * view.size(0))


def _nothing(_: NodeView) -> Work:
    return Work()


def _variadic(view: NodeView) -> Work:
    return Work(other=(view.inputs() - 1) * view.out_size())


def _reduce_mean(view: NodeView) -> Work:
    return Work(other=view.size(0) + view.out_size())


def _reduce_squares(view: NodeView) -> Work:
    return Work(view.size(0))


def _reduce_norm(view: NodeView) -> Work:
    return Work(view.size(0), view.out_size())


def _log_sum_exp(view: NodeView) -> Work:
    return Work(other=3 * view.size(0) + view.out_size())


def _scatter(view: NodeView) -> Work:
    """Count one operation per update if updates are reduced into the data, none if they replace it."""
    return Work(other=view.size(2) if view.text("reduction", "none") != "none" else 0)


def _top_k(view: NodeView) -> Work:
    """Count a heap of the k best: log2(k) comparisons, rounded up and at least 1, per element."""
    axis = view.integer("axis", -1)
    return Work(other=view.size(0) * max(1, math.ceil(math.log2(max(2, view.out_shape()[axis])))))


def _names(text: str) -> list[str]:
    return text.split()


_ONE = Formula(_per_output(1), "y.size")
_ELEMENTWISE = _names("""
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil
    Celu Cos Cosh DequantizeLinear Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid
    HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log Mish Mod Mul Neg Not Or PRelu Pow QuantizeLinear
    Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Swish Tan Tanh
    ThresholdedRelu Where Xor
""")
_MOVEMENT = _names("""
    Cast CastLike Compress Concat Constant ConstantOfShape DepthToSpace Dropout Expand EyeLike Flatten
    Gather GatherElements GatherND Identity OneHot Pad Range Reshape ReverseSequence Shape Size Slice
    SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze
""")
_SEPARATE = _names("""
    MSDeformAttn MultiScaleDeformableAttn MultiscaleDeformableAttnPlugin_TRT
    MultiScaleDeformableAttentionPlugin MMCVMultiScaleDeformableAttention MultiScaleDeformableAttnFunction
""")
_FUSED = _names("MultiScaleDeformableAttnTRT MultiScaleDeformableAttnTRT2")
MSDA_OPERATORS = (*_SEPARATE, *_FUSED)
"""Deformable attention as one custom operator, under the names that exporters use."""

_PRODUCTS = {
    "Conv": Formula(products.conv, "mul-adds y.size * C/group * kernel; y.size for a bias"),
    "ConvTranspose": Formula(
        products.conv_transpose, "mul-adds x.size * O/group * kernel; y.size for a bias"
    ),
    "MatMul": Formula(products.matmul, "mul-adds y.size * K"),
    "Gemm": Formula(products.gemm, "mul-adds y.size * K; y.size for C"),
    "Einsum": Formula(
        products.einsum, "product of all indices * (operands - 1); mul-adds if an index is summed over"
    ),
    "BatchNormalization": Formula(products.batch_normalization, "mul-adds y.size"),
    "Inverse": Formula(products.inverse, "mul-adds n^3 per n x n matrix"),
    "Det": Formula(products.determinant, "mul-adds n^3 / 3 per n x n matrix"),
    "BEVPoolV2": Formula(products.bev_pool, "mul-adds kept points * C"),
    "BEVPoolV2TRT": Formula(products.bev_pool, "mul-adds kept points * C"),
}
_NORM = Formula(products.normalization, "5 * y.size, y.size for the scale, y.size for the shift")
_POOL = Formula(products.pooling, "y.size * window")
_MSDA = Formula(
    sampling.deformable_attention,
    "per point: mul-adds 5 * C/heads + 2, other 14 (points = locations.size / 2)",
)
_FUSED_MSDA = Formula(
    sampling.fused_deformable_attention,
    "as deformable attention; 5 per weight (softmax), 4 per point (offset, reference)",
)
_SAMPLING = {
    "GridSample": Formula(
        sampling.grid_sample,
        "linear: mul-adds 4 * y.size in 2-D, 8 in 3-D; per point mul-adds 2 (3), other 14 (31). "
        "nearest: per point mul-adds 2 (3), other 6 (9)",
    ),
    "DeformConv": Formula(
        sampling.deform_conv,
        "as Conv; mul-adds 4 * C * kernel * places; C * kernel * places for a mask; "
        "per point mul-adds 2, other 14 (points = offset groups * kernel * places)",
    ),
    "Resize": Formula(sampling.resize, "linear: mul-adds y.size * 2^(axes resized); cubic: 4^; nearest: 0"),
    "Upsample": Formula(sampling.resize, "as Resize"),
    "RoiAlign": Formula(sampling.roi_align, "mul-adds 4 * y.size * ratio^2; per point mul-adds 2, other 14"),
}
_REDUCTIONS = {
    **dict.fromkeys(
        ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ArgMax", "ArgMin", "CumSum"),
        Formula(_per_input(1), "x.size"),
    ),
    **dict.fromkeys(("ReduceMean", "GlobalAveragePool"), Formula(_reduce_mean, "x.size + y.size")),
    **dict.fromkeys(("GlobalMaxPool", "NonZero"), Formula(_per_input(1), "x.size")),
    "ReduceL1": Formula(_per_input(2), "2 * x.size"),
    "ReduceL2": Formula(_reduce_norm, "mul-adds x.size; y.size"),
    "ReduceSumSquare": Formula(_reduce_squares, "mul-adds x.size"),
    "ReduceLogSumExp": Formula(_log_sum_exp, "3 * x.size + y.size"),
}
_REST = {
    **dict.fromkeys(("Sum", "Max", "Min", "Mean"), Formula(_variadic, "(inputs - 1) * y.size")),
    "Clip": Formula(_per_output(2), "2 * y.size"),
    "Softmax": Formula(_per_output(5), "5 * y.size (maximum, subtract, exp, sum, divide)"),
    "LogSoftmax": Formula(_per_output(5), "5 * y.size (maximum, subtract, exp, sum, subtract log)"),
    "TopK": Formula(_top_k, "x.size * log2(k), rounded up"),
    **dict.fromkeys(
        ("Scatter", "ScatterND", "ScatterElements"), Formula(_scatter, "updates.size if reduced, else 0")
    ),
}

FORMULAS: Mapping[str, Formula] = {
    **dict.fromkeys(_ELEMENTWISE, _ONE),
    **dict.fromkeys(_MOVEMENT, Formula(_nothing, "0 (moves data)")),
    **_PRODUCTS,
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), _NORM),
    **dict.fromkeys(("MaxPool", "AveragePool"), _POOL),
    **_SAMPLING,
    **_REDUCTIONS,
    **_REST,
    **dict.fromkeys(_SEPARATE, _MSDA),
    **dict.fromkeys(_FUSED, _FUSED_MSDA),
}
"""Operator name -> formula. Custom operators go by their name: the same one lives in many domains."""

FREE = VIEWS | {"Dropout", "Shape", "Size", "Constant"}
"""Operators that neither read nor write their data: the output is the input under another shape."""
