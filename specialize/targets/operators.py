"""Groups of operators that several toolchains treat alike."""

from __future__ import annotations

ARITHMETIC = (
    "Abs Add Ceil Cos Div Erf Exp Floor Log Max Min Mul Neg Pow Reciprocal Round Sin Sqrt Sub Sum Tanh"
)
"""Element by element on numbers."""

LOGIC = "And Equal Greater GreaterOrEqual Less LessOrEqual Not Or Where"
"""Comparisons, and what works on their results."""

ACTIVATIONS = "Clip Elu HardSigmoid HardSwish LeakyRelu LogSoftmax PRelu Relu Sigmoid Softmax Softplus"
"""Element by element, or along one axis, in networks."""

MOVES = "Concat Expand Flatten Identity Pad Reshape Slice Split Squeeze Tile Transpose Unsqueeze"
"""What only moves elements."""

SUMS = "ReduceMax ReduceMean ReduceMin ReduceSum"
"""Reductions."""

IMAGES = (
    "AveragePool BatchNormalization Conv ConvTranspose DepthToSpace GlobalAveragePool "
    "InstanceNormalization MaxPool "
    "Resize SpaceToDepth"
)
"""Operators of backbones."""

PRODUCTS = "Gemm MatMul"
"""Products of matrices."""

CONSTANTS = "Cast Constant ConstantOfShape Shape"
"""What folding usually removes."""

COMMON = " ".join((ARITHMETIC, LOGIC, ACTIVATIONS, MOVES, SUMS, IMAGES, PRODUCTS, CONSTANTS))
"""All of the above: what a camera-to-BEV model consists of, but for selection, sampling and normalization."""

STANDARD_MSDA = "com.microsoft::MultiScaleDeformableAttn"
"""The internal operator of deformable attention; no toolchain but one has it."""
