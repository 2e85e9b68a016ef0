"""AXERA AX650 and M76H: Pulsar2."""

from __future__ import annotations

import json

from specialize.targets.attributes import AllInts, CountsPadding, IsOne, NearestMode, NoInput
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
from specialize.targets.config_keys import check_keys, known
from specialize.targets.limits import CastTo, IndexRank, LastAxis, Limit, OneOf, ScalarInput
from specialize.targets.operators import STANDARD_MSDA
from specialize.targets.render import HEADER, header, named_shapes, render

_LISTED = "AXERA-TECH/pulsar2-docs-en: source/appendix/op_support_list_ax650.md, Pulsar2 7.0"
_CONFIG = "AXERA-TECH/pulsar2-docs-en: source/user_guides_config/config.md"
_EXPORT = "AXERA-TECH/bevformer.axera: bevformer_onnx_export"

_UNPADDED = OneOf("auto_pad", ("NOTSET",))


def _only(*limits: Limit) -> Rule:
    """Return the rule of an operator of which the list takes some attributes only."""
    return Rule(
        limits=limits, text="the list names the attributes that are supported",
        help="export the operator with the attributes that are supported, or write it with others",
    )  # fmt: skip


TOOLCHAIN = Toolchain(
    name="axera",
    title="AXERA AX650 and M76H, Pulsar2 7.0",
    opsets=(11, 20),
    opset=17,
    operators=table(
        ("Abs Add And Ceil Clip Concat Constant ConstantOfShape Cos Div Elu Equal Erf Exp Expand Flatten "
         "Floor GatherElements GatherND Gelu", ALLOWED),
        ("GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization "
         "HardSigmoid HardSwish", ALLOWED),
        ("Identity InstanceNormalization LeakyRelu Less LessOrEqual LogSoftmax MatMul Max Min "
         "Mish Mul Not PRelu",
         ALLOWED),
        ("Relu Reshape RoiAlign Round ScatterElements ScatterND Sigmoid Sin Slice Softmax Softplus "
         "SpaceToDepth Split Sqrt Squeeze Sub Swish Tanh Tile TopK Transpose", ALLOWED),
        ("Unsqueeze Where Xor", ALLOWED),
        ("ArgMax ArgMin", _only(OneOf("select_last_index", (0,)))),
        ("AveragePool", _only(_UNPADDED, CountsPadding())),
        ("BatchNormalization", _only(OneOf("training_mode", (0,)))),
        ("Conv", _only(_UNPADDED)),
        ("ConvTranspose", _only(_UNPADDED, AllInts("dilations", 1))),
        ("DepthToSpace", _only(OneOf("mode", ("DCR",)))),
        ("Gemm", _only(IsOne("alpha"), IsOne("beta"))),
        ("MaxPool", _only(_UNPADDED, AllInts("dilations", 1), OneOf("storage_order", (0,)))),
        ("ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum", _only(OneOf("noop_with_empty_axes", (0,)))),
        ("Cast", Rule(
            limits=(CastTo(("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")),),
            text="no int64, bool, float16", help="keep the model in float32, and truth values and indices out of casts",
        )),
        ("Gather", Rule(
            limits=(IndexRank(1),), text="indices: currently only 1 dimension", help="flatten the "
                "indices and reshape the result",
        )),
        ("LayerNormalization", Rule(
            limits=(LastAxis(),), text="axis: only -1", help="move that axis to the end, or write the mean out",
        )),
        ("Pow", Rule(
            limits=(ScalarInput(1),), text="the exponent is an initializer of one element",
            help="write a power of computed exponents with Exp and a product",
        )),
        ("Pad", _only(OneOf("mode", ("constant",)), NoInput(3, "axes"))),
        ("Resize", Rule(
            limits=(OneOf("mode", ("nearest", "linear")), NearestMode("round_prefer_ceil")),
            text="mode: nearest, linear; nearest_mode: only round_prefer_ceil",
            help="--target axera writes nearest sampling by whole factors so; sample by whole factors, or linearly",
        )),
        ("NonZero", Rule(
            verdict="refused", text="shapes that depend on data are not supported, and it is not in the list",
            help="bind the calibration and fold: specialization leaves no NonZero",
        )),
        ("Log", Rule(
            verdict="unknown", text="not in the list, which has InverseSigmoid, log(x / (1 - x)), as "
                                    "one operator",
        )),
        (STANDARD_MSDA, Rule(
            verdict="unknown", source=_EXPORT,
            text="defined in the vendor's export and not used there; the compiler has an operator of "
                 "that name inside",
        )),
    ),
    quirks=("half pixels",),
    unlisted=Rule(verdict="unknown", text="not in the list; some operators without a standard "
                                          "definition are, ask the vendor"),
    forms=("microsoft",),
    floats=("float32",),
    int8=Int8(
        weight_bits=8,
        weight_bits_source=VENDOR_QUANTIZES,
        own="Pulsar2 quantizes the float model itself, with 16 bits for the layers that config.json names",
    ),
    files=("config.json", HEADER),
    swaps_constants=True,
    evidence=(
        Evidence(kind="from documents", text=_LISTED),
        Evidence(kind="from documents", text=_CONFIG),
        Evidence(kind="from documents", text=f"{_EXPORT}: GridSample per level, opset 16"),
    ),
    source=_LISTED,
    notes=("pulsar2 is a docker image: it did not run here",),
)  # fmt: skip

_PROCESSOR = known(
    "tensor_name tensor_format tensor_layout src_format src_layout src_dtype src_extra_shapes csc_mode "
    "csc_mat mean std "
    "padding padding_mode padding_constant_value slicing"
)
_LAYER = known(
    "layer_name layer_names op_type op_types start_tensor_names end_tensor_names data_type "
    "output_data_type weight_data_type"
)
KEYS = known(
    "input output_dir output_name work_dir model_type target_hardware npu_mode input_shapes",
    onnx_opt=known(
        "disable_onnx_optimization enable_onnxsim model_check disable_transformation_check save_tensors_data"
    ),
    quant=known(
        "calibration_method precision_analysis precision_analysis_method precision_analysis_mode "
        "input_sample_dir "
        "highest_mix_precision conv_bias_data_type ln_scale_data_type refine_weight_threshold "
        "enable_smooth_quant "
        "smooth_quant_threshold smooth_quant_strength transformer_opt_level check disable_auto_refine_scale "
        "enable_easy_quant disable_quant_optimization enable_brecq enable_lsq enable_adaround "
        "finetune_epochs "
        "finetune_block_size finetune_batch_size finetune_lr device",
        input_configs=known(
            "tensor_name calibration_dataset calibration_format calibration_size calibration_mean "
            "calibration_std"
        ),
        layer_configs=_LAYER,
    ),
    input_processors=_PROCESSOR,
    output_processors=known("tensor_name dst_perm output_dtype"),
    const_processors=known("name data data_path"),
    quant_op_processors=known("op_name attrs"),
    compiler=known(
        "static_batch_sizes max_dynamic_batch_size ddr_bw_limit disable_ir_fix check npu_perf "
        "check_mode check_rtol "
        "check_atol check_cosine_simularity check_tensor_black_list input_sample_dir enable_slice_mode "
        "enable_tile_mode "
        "enable_data_soft_compression"
    ),
)
"""Keys of `config.json`, from the vendor's document; one of them is misspelled there, and so here."""


def files(facts: FileFacts) -> dict[str, str]:
    """Return Pulsar2's configuration (coordinates at 16 bits, the vehicle's tables) and the C header."""
    shapes = named_shapes(facts, "x")
    config = render("axera/config.json.j2", facts, shapes=shapes)
    check_keys(json.loads(config), KEYS, "config.json")
    return {"config.json": config, HEADER: header(facts)}
