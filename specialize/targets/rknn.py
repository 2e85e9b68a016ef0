"""Rockchip RKNN-Toolkit2: compiler and simulator."""

from __future__ import annotations

from specialize.targets.base import (
    ALLOWED,
    VENDOR_QUANTIZES,
    Evidence,
    FileFacts,
    Int8,
    Rule,
    Toolchain,
    table,
)
from specialize.targets.config_keys import check_arguments, known
from specialize.targets.limits import CastTo, ConstantInputs, MostAxesIfBroadcast
from specialize.targets.operators import STANDARD_MSDA
from specialize.targets.render import HEADER, header, render

_RAN = "ran here: rknn-toolkit2 2.5.0, simulator"
_LISTED = "airockchip/rknn-toolkit2: doc/RKNNToolKit2_OP_Support"
_BROADCAST = Rule(
    limits=(MostAxesIfBroadcast(4),), text="a broadcast of rank 5 or 6 crashes the compiler", source=_RAN,
    help="write row-wise work in rank 4, as specialization does",
)  # fmt: skip

TOOLCHAIN = Toolchain(
    name="rknn",
    title="Rockchip RKNN-Toolkit2",
    opsets=(7, 19),
    opset=17,
    operators=table(
        ("And ArgMax ArgMin AveragePool BatchNormalization Clip Concat Constant ConstantOfShape Conv "
         "ConvTranspose Cos",
         ALLOWED),
        ("DepthToSpace Elu Equal Erf Exp Expand Flatten Floor Gemm GlobalAveragePool GlobalMaxPool "
         "Greater", ALLOWED),
        ("GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization "
         "LeakyRelu Less", ALLOWED),
        ("LessOrEqual Log LogSoftmax MatMul Max MaxPool Min Mish Mod PRelu Pad Pow ReduceMax ReduceMean "
         "ReduceMin", ALLOWED),
        ("ReduceSum Relu Reshape Resize Shape Sigmoid Sin Slice Softmax Softplus SpaceToDepth Split "
         "Sqrt Squeeze", ALLOWED),
        ("Tanh Tile Transpose Unsqueeze Where", ALLOWED),
        ("Add Sub Mul Div", _BROADCAST),
        ("Cast", Rule(
            limits=(CastTo(("float32", "float16", "int32", "int64", "int8", "uint8", "bool"), from_bool=False),),
            text="dataconvert type -1 is unsupport: the result is "
                 "wrong", source=_RAN, help="avoid casts from bool",
        )),
        ("Gather", Rule(
            text="on the NPU, or turned into a 1x1 convolution of 80 MB by the rule "
                 "gather_to_conv", source=_RAN,
        )),
        ("GatherElements", Rule(text="those of 2500 rows took over 70 s to compile", source=_RAN)),
        ("Atan Einsum GatherND DeformConv ScatterElements TopK", Rule(
            text="listed as not supported; 2.5.0 compiled it and ran it in the simulator", source=_RAN,
        )),
        ("GridSample ScatterND", Rule(verdict="cpu", text="placed on the CPU in float32", source=_RAN)),
        ("NonZero", Rule(
            limits=(ConstantInputs((0,)),), source=_RAN,
            text="need to be constant! It will cause the graph to be a dynamic graph!",
            help="bind the calibration and fold: specialization leaves no NonZero",
        )),
        ("Abs Atanh Ceil CumSum GroupNormalization IsNaN Loop Neg Not OneHot Or Range Reciprocal Round "
         "Selu Sign Sum Tan",
         Rule(verdict="unknown", text="listed as not supported; the compiler has CPU kernels for some "
                                      "such operators")),
        (STANDARD_MSDA, Rule(
            verdict="refused", text="no converter; reg_custom_op would be "
                                    "needed", help="--target writes it with GridSample",
        )),
    ),
    unlisted=Rule(verdict="unknown", text="neither in the list nor tried here"),
    forms=("nearest-gather",),
    quirks=("axis in front", "zeros by Pad", "choices for bools"),
    int8=Int8(
        source="rknn-toolkit2: quantized_dtype w8a8, formerly named asymmetric_quantized-8",
        weight_bits=8,
        weight_bits_source=VENDOR_QUANTIZES,
        own="the toolchain quantizes the float model itself and refuses quantized ones (Conv bias scale is empty)",
    ),
    files=("convert_rknn.py", HEADER),
    evidence=(
        Evidence(kind="ran here", text="rknn-toolkit2 2.5.0: compiles for rk3588, simulator error 0.012 "
                                       "to 0.018 in float16"),
        Evidence(kind="ran here", text="one attention: 41 MB with gather_to_conv, 4.5 MB without, 2.0 MB with an axis "
                                       "of one before its rows; 26 MB more if a row of zeros is joined to 3600 rows "
                                       "instead of written as Pad"),
        Evidence(kind="ran here", text="one attention: 306 MB between layers zero-padded, 64 MB specialized"),
    ),
    source=_LISTED,
    notes=("quantize from the float model with its own calibration: QDQ models are refused",),
)  # fmt: skip


CONFIG = known(
    "mean_values std_values quantized_dtype quantized_algorithm quantized_method quantized_hybrid_level "
    "target_platform quant_img_RGB2BGR float_dtype optimization_level custom_string remove_weight "
    "compress_weight inputs_yuv_fmt single_core_mode dynamic_input model_pruning op_target quantize_weight "
    "remove_reshape sparse_infer mini_rknn enable_flash_attention memory_plan_strategy compute_order "
    "compiler_control_file disable_rules"
)
"""Arguments of `RKNN.config`, read from the package that ran here; `disable_rules` is among its further ones."""


DISABLED = {
    "gather_to_conv": "a constant Gather becomes a 1x1 convolution with a kernel of ones and zeros, tens of megabytes",
    "fuse_slice_slice_concat_to_conv": "the compiler stops with KeyError if a row is cut twice and joined again",
    "convert_rs_add_rs_to_rs_gather_elements": "the compiler stops with ValueError in a detector's decoder",
}
"""Rules of the compiler that the script turns off, each with what it did here in 2.5.0."""


def files(facts: FileFacts) -> dict[str, str]:
    """Return a script that converts the model, and the C header."""
    script = render("rknn/convert_rknn.py.j2", facts, rules=DISABLED)
    check_arguments(script, "rknn.config", CONFIG, "convert_rknn.py")
    return {"convert_rknn.py": script, HEADER: header(facts)}
