"""What the compiler knows of each operator, said once: every table that is keyed by operator names is a view of this.

A new operator is one line here, one rule where it is to be handled, and one test; `tests/graph/test_ops.py` names what
has a rule or a formula and no line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import onnx_ir as ir

Kind = Literal[
    "view",  # the same elements in the same order, under another shape
    "turn",  # the same elements in another order
    "repeat",  # elements repeated along axes
    "gather",  # elements picked by indices
    "cut",  # a part of an axis
    "join",  # several tensors one after the other
    "pad",
    "write",  # elements written to indices
    "elementwise",  # several operands, broadcast
    "unary",  # one operand, element by element; further inputs are parameters
    "along",  # softmax and norms over the last axes
    "reduce",
    "product",
    "convolution",
    "sample",  # reads an image at computed places
    "count",  # the shape of the result depends on data
    "size",  # makes shapes and constants
    "other",
]
Zeros = Literal["never", "first", "any", "all"]
Affine = Literal["never", "all", "first", "one", "one-side", "written", "chosen", "float"]
Default = int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What is known of an operator.

    Attributes:
        kind: What it does with elements.
        zeros: Whose zeros make the result zero, element by element: the first input's, any one's, or all together.
        places: Inputs that say where or how many, not what.
        sizes: Those of them, or others, whose contents decide the shape of the result.
        affine: In which inputs it is affine: in all at once; in the first; in any one alone (`one`), in a product with
            a summand (`one-side`); in what is written and what is written into; in what is chosen from; in floats.
        decides: Whether rounding an input may change the result by more than rounding.
        samples: Whether it reads features at computed places.
        defaults: Attributes that may be left out, with the values that they then have.
    """

    kind: Kind = "other"
    zeros: Zeros = "never"
    places: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    affine: Affine = "never"
    decides: bool = False
    samples: bool = False
    defaults: Mapping[str, Default] = field(default_factory=dict)


def _ops(names: str, **known: object) -> dict[str, Operator]:
    """Return several operators of which the same is known."""
    return {name: Operator(**known) for name in names.split()}  # type: ignore[arg-type]


_REDUCED = {"keepdims": 1, "noop_with_empty_axes": 0}
_SAMPLED: Mapping[str, Default] = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": 0}
_RESIZED: Mapping[str, Default] = {
    "mode": "nearest",
    "coordinate_transformation_mode": "half_pixel",
    "nearest_mode": "round_prefer_floor",
}
_PLUGINS = """
    BEVPoolV2 BEVPoolV2TRT Inverse MMCVMultiScaleDeformableAttention MSDeformAttn MultiScaleDeformableAttentionPlugin
    MultiScaleDeformableAttnFunction MultiScaleDeformableAttnTRT MultiScaleDeformableAttnTRT2
    MultiscaleDeformableAttnPlugin_TRT
"""
"""Operators of vendors that have a formula for their costs."""

OPERATORS: Mapping[str, Operator] = {
    **_ops("Flatten", kind="view", affine="first", defaults={"axis": 1}),
    **_ops("Identity", kind="view", affine="all"),
    **_ops("Reshape", kind="view", places=(1,), sizes=(1,), affine="first", defaults={"allowzero": 0}),
    **_ops("Squeeze Unsqueeze", kind="view", places=(1,), affine="first"),
    **_ops("Transpose", kind="turn", affine="first"),
    **_ops("Expand Tile", kind="repeat", places=(1,), sizes=(1,), affine="first"),
    **_ops("Gather", kind="gather", places=(1,), affine="first", defaults={"axis": 0}),
    **_ops("GatherElements", kind="gather", places=(1,), samples=True, defaults={"axis": 0}),
    **_ops("GatherND", kind="gather", places=(1,), defaults={"batch_dims": 0}),
    **_ops("Slice", kind="cut", places=(1, 2, 3, 4), sizes=(1, 2, 3, 4), affine="first"),
    **_ops("Split", kind="cut", places=(1,), sizes=(1,), affine="first", defaults={"axis": 0}),
    **_ops("Concat", kind="join", affine="all"),
    **_ops("Pad", kind="pad", places=(1,), sizes=(1,), defaults={"mode": "constant"}),
    **_ops("ScatterElements", kind="write", places=(1,), affine="written", defaults={"axis": 0, "reduction": "none"}),
    **_ops("ScatterND", kind="write", places=(1,), affine="written", defaults={"reduction": "none"}),
    **_ops("And", kind="elementwise", zeros="any"),
    **_ops("Mul", kind="elementwise", zeros="any", affine="one"),
    **_ops("Add Sub Sum", kind="elementwise", zeros="all", affine="all"),
    **_ops("Max Mean Min Or Xor", kind="elementwise", zeros="all"),
    **_ops("Div", kind="elementwise", zeros="first", affine="first"),
    **_ops("Where", kind="elementwise", affine="chosen"),
    **_ops("PRelu Pow", kind="elementwise"),
    **_ops("Equal Greater GreaterOrEqual Less LessOrEqual", kind="elementwise", decides=True),
    **_ops("Mod", kind="elementwise", decides=True, defaults={"fmod": 0}),
    **_ops(
        "Abs Asin Atan Elu Erf HardSwish IsNaN LeakyRelu Relu Selu Sin Sinh Softsign Sqrt Tan Tanh",
        kind="unary", zeros="first",
    ),
    **_ops("Cast", kind="unary", zeros="first", affine="float"),
    **_ops("Ceil Floor Round Sign", kind="unary", zeros="first", decides=True),
    **_ops("Gelu", kind="unary", zeros="first", defaults={"approximate": "none"}),
    **_ops("Neg", kind="unary", zeros="first", affine="all"),
    **_ops("Acos Clip Cos Exp HardSigmoid Log Not Reciprocal Sigmoid Softplus", kind="unary"),
    **_ops("LogSoftmax Softmax", kind="along", defaults={"axis": -1}),
    **_ops("LayerNormalization", kind="along", defaults={"axis": -1, "epsilon": 1e-5}),
    **_ops("ReduceMean ReduceSum", kind="reduce", zeros="first", affine="first", defaults=_REDUCED),
    **_ops("ReduceMax ReduceMin", kind="reduce", zeros="first", defaults=_REDUCED),
    **_ops("ReduceL1 ReduceL2 ReduceProd ReduceSumSquare", kind="reduce", defaults=_REDUCED),
    **_ops("MatMul", kind="product", affine="one"),
    **_ops("Gemm", kind="product", affine="one-side", defaults={"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}),
    **_ops("Einsum", affine="one"),
    **_ops("Conv ConvTranspose", kind="convolution", defaults={"group": 1}),
    **_ops("DeformConv", kind="sample", defaults={"group": 1, "offset_group": 1}),
    **_ops("GridSample", kind="sample", samples=True, defaults=_SAMPLED),
    **_ops("MultiScaleDeformableAttn", kind="sample", samples=True),
    **_ops("AffineGrid", affine="first", defaults={"align_corners": 0}),
    **_ops("Compress NonMaxSuppression Unique", kind="count"),
    **_ops("NonZero", kind="count", decides=True),
    **_ops("ConstantOfShape", kind="size", places=(0,), sizes=(0,)),
    **_ops("Range", kind="size", places=(0, 1, 2), sizes=(0, 1, 2)),
    **_ops("Constant EyeLike Shape Size", kind="size"),
    **_ops("ArgMax ArgMin IsInf", decides=True),
    **_ops("TopK", places=(1,), sizes=(1,), decides=True, defaults={"axis": -1}),
    **_ops("OneHot", places=(0, 1), sizes=(1,)),
    **_ops("Resize", sizes=(2, 3), defaults=_RESIZED),
    **_ops("BatchNormalization Det Dropout GroupNormalization InstanceNormalization ReduceLogSumExp RoiAlign Upsample"),
    **_ops("AveragePool GlobalAveragePool GlobalMaxPool MaxPool"),
    **_ops("Acosh Asinh Atanh Celu Cosh Mish Swish ThresholdedRelu"),
    **_ops("BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor DequantizeLinear QuantizeLinear"),
    **_ops("CastLike CumSum DepthToSpace ReverseSequence Scatter SpaceToDepth Trilu"),
    **_ops(_PLUGINS),
}  # fmt: skip


def of(*kinds: Kind) -> frozenset[str]:
    """Return the operators of some kinds."""
    return frozenset(name for name, operator in OPERATORS.items() if operator.kind in kinds)


def integer(node: ir.Node, name: str) -> int:
    """Return an attribute of a node, or the default of its operator."""
    attribute = node.attributes.get(name)
    return int(OPERATORS[node.op_type].defaults[name]) if attribute is None else attribute.as_int()


def number(node: ir.Node, name: str) -> float:
    """Return an attribute of a node, or the default of its operator."""
    attribute = node.attributes.get(name)
    return float(OPERATORS[node.op_type].defaults[name]) if attribute is None else attribute.as_float()


def text(node: ir.Node, name: str) -> str:
    """Return an attribute of a node, or the default of its operator."""
    attribute = node.attributes.get(name)
    return str(OPERATORS[node.op_type].defaults[name]) if attribute is None else attribute.as_string()


def integers(node: ir.Node, name: str, count: int, default: int) -> tuple[int, ...]:
    """Return an attribute that holds one number per axis, or the same default for all axes."""
    attribute = node.attributes.get(name)
    return (default,) * count if attribute is None else tuple(attribute.as_ints())


def permutation(node: ir.Node, rank: int) -> tuple[int, ...]:
    """Return where each axis of a Transpose comes from; all axes in reverse if the node does not say."""
    attribute = node.attributes.get("perm")
    return tuple(range(rank))[::-1] if attribute is None else tuple(attribute.as_ints())


VIEWS = of("view")
"""The same elements in the same order: only the shape changes."""

MOVES = of("view", "turn", "repeat", "gather", "cut", "join", "pad")
"""Elements put elsewhere, repeated or left out: no element is computed."""

WRITES = of("write")
"""Scatters."""

PRODUCTS = of("product")
"""Products of two matrices."""

BY_ELEMENT = of("elementwise", "unary")
"""One result per element, whatever the shape."""

ANY_ZERO = frozenset(name for name, operator in OPERATORS.items() if operator.zeros == "any")
"""Zero where any operand is."""

ALL_ZERO = frozenset(name for name, operator in OPERATORS.items() if operator.zeros == "all")
"""Zero where all operands are."""

KEEPS_ZERO = frozenset(name for name in of("unary") if OPERATORS[name].zeros == "first")
"""Functions of one operand with f(0) = 0."""

SAMPLERS = frozenset(name for name, operator in OPERATORS.items() if operator.samples)
"""Operators that read features at computed places."""

DECIDES = frozenset(name for name, operator in OPERATORS.items() if operator.decides)
"""Operators that may say something else after rounding: which points lie in an image, above all."""

COUNTS = of("count")
"""Operators whose results have shapes that depend on data."""

PLACES: Mapping[str, tuple[int, ...]] = {name: op.places for name, op in OPERATORS.items() if op.places}
"""Inputs that say where or how many, by operator."""

SIZES: Mapping[str, tuple[int, ...]] = {name: op.sizes for name, op in OPERATORS.items() if op.sizes}
"""Inputs whose contents decide the shape of a result, by operator."""
