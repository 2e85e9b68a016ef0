"""Horizon J5 (Bayes): `hb_mapper`, opset 10 or 11, GridSample as an operator of the vendor."""

from __future__ import annotations

import yaml

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
from specialize.targets.limits import (
    IndexRank,
    LastAxis,
    MapSize,
    MostAxes,
    NoConstantOperand,
    OneChangedAxis,
    OneOf,
    ReducedAxes,
    SameRank,
    ScalarInput,
)  # fmt: skip
from specialize.targets.render import HEADER, header, render

_LISTED = "D-Robotics/rdk_doc: supported_op_list.md, ONNX operators of RDK Ultra (Bayes)"
_OPSET = "D-Robotics/rdk_s_doc: 08_FAQ/05_toolchain.md"
_CPU = Rule(verdict="cpu", text="computed on the host CPU")
_WIDE = Rule(
    limits=(MostAxes(5, 2),), otherwise="cpu", text="on the BPU with 2 to 5 axes; broadcast limits apply"
)
_COMPARE = Rule(verdict="cpu", text="on the CPU unless node_info puts the node on the BPU")

TOOLCHAIN = Toolchain(
    name="horizon_j5",
    title="Horizon J5 (Bayes), hb_mapper",
    opsets=(10, 11),
    opset=11,
    operators=table(
        ("Abs Atan AveragePool BatchNormalization Ceil Clip Constant ConstantOfShape Conv ConvTranspose "
         "Cos DepthToSpace",
         ALLOWED),
        ("Dropout Elu Exp Flatten Floor GatherElements Gemm GlobalAveragePool GlobalMaxPool HardSigmoid "
         "LeakyRelu Log", ALLOWED),
        ("MaxPool Pad Reciprocal Relu Reshape Resize Shape Sigmoid Sin Size Slice Softplus SpaceToDepth "
         "Split Sqrt", ALLOWED),
        ("Concat Squeeze Tanh TopK Transpose Unsqueeze ArgMax ArgMin", ALLOWED),
        ("Add Sub Mul Max Min Sum", _WIDE),
        ("Div", Rule(limits=(NoConstantOperand(),), otherwise="cpu", text="on the BPU only if both "
            "inputs are computed")),
        ("Expand Tile", Rule(limits=(OneChangedAxis(),), otherwise="cpu", text="on the BPU along one axis")),
        ("Gather", Rule(limits=(MostAxes(4), IndexRank(4)), otherwise="cpu", text="input, indices and "
            "output of rank 4 or less")),
        ("MatMul", Rule(limits=(SameRank(),), otherwise="cpu", text="both inputs of the same rank, "
            "sizes up to 8192")),
        ("Pow", Rule(limits=(ScalarInput(1),), otherwise="cpu", text="a scalar exponent")),
        ("ReduceSum", Rule(limits=(MostAxes(5, 2), ReducedAxes(1)), otherwise="cpu", text="one axis")),
        ("ReduceMax ReduceMean", Rule(
            limits=(MostAxes(5, 2), ReducedAxes(1, kept=True)), otherwise="cpu", text="one axis, kept",
        )),
        ("Equal Greater Less GreaterOrEqual LessOrEqual", _COMPARE),
        ("Softmax", Rule(limits=(MostAxes(4, 4), LastAxis()), otherwise="cpu", text="on the BPU if it is 4-D "
            "along axis 3 and node_info requests it, as hb_mapper.yaml does")),
        ("And Acos Asin Cast CumSum Erf EyeLike GatherND Identity InstanceNormalization IsInf LRN "
         "LogSoftmax Neg Not", _CPU),
        ("Or PRelu Range ReduceL1 ReduceL2 ReduceMin ReduceProd Round ScatterElements ScatterND Sign "
         "Tan Where OneHot", _CPU),
        ("QuantizeLinear DequantizeLinear LpNormalization MaxRoiPool RoiAlign", _CPU),
        ("Mod IsNaN Det Einsum Compress If Loop Mean Unique Xor NonZero", Rule(
            verdict="refused", text="listed as not integrated, or not listed",
            help="bind the calibration and fold; write Einsum as MatMul",
        )),
        ("horizon::GridSample", Rule(
            limits=(MostAxes(4), MapSize(1024, 720 * 1024), OneOf("mode", ("bilinear", "nearest")),
                    OneOf("padding_mode", ("zeros", "border"))),
            text="there is no CPU kernel for it: it must stay on the BPU",
        )),
        ("GridSample", Rule(
            verdict="refused", text="an operator of opset 16; the vendor reads horizon::GridSample in "
                                    "opset 11",
            help="--target horizon_j5 writes it so",
        )),
    ),
    unlisted=Rule(verdict="refused", text="operators that are not listed are not supported"),
    highest_rank=10,
    highest_rank_source=_LISTED,
    forms=("nearest-gather",),
    grid_sample="horizon",
    floats=("float32",),
    quirks=("equal ranks",),
    int8=Int8(
        weight_bits=8,
        weight_bits_source=VENDOR_QUANTIZES,
        own="hb_mapper quantizes the float model itself, with int16 for the nodes that hb_mapper.yaml names",
    ),
    files=("hb_mapper.yaml", "check.sh", HEADER),
    evidence=(
        Evidence(kind="from documents", text=_LISTED),
        Evidence(kind="from documents", text=f"{_OPSET}: only model with opset_version 10/11 is supported"),
    ),
    source=_LISTED,
    notes=("grids, reference points and offsets must be int16: the configuration sets this per node",),
)  # fmt: skip

KEYS = known(
    "",
    model_parameters=known(
        "onnx_model march output_model_file_prefix working_dir layer_out_dump output_nodes remove_node_type "
        "remove_node_name node_info"
    ),
    input_parameters=known(
        "input_name input_shape input_type_rt input_layout_rt input_type_train input_layout_train "
        "input_batch norm_type "
        "mean_value scale_value"
    ),
    calibration_parameters=known(
        "cal_data_dir cal_data_type calibration_type optimization run_on_cpu run_on_bpu"
    ),
    compiler_parameters=known("compile_mode debug core_num optimize_level jobs extra_params"),
)
"""Keys of `hb_mapper`'s YAML, from the vendor's documents and model zoo."""

NODE = known("ON InputType InputType1 OutputType")
"""Keys of each node of `node_info`, which took over from run_on_bpu: D-Robotics/rdk_doc, parameters of makertbin."""


def files(facts: FileFacts) -> dict[str, str]:
    """Return hb_mapper's configuration, a script that checks and compiles, and the C header."""
    directories = ";".join(f"calibration/{tensor.name}" for tensor in facts.inputs)
    int16 = [name for name in facts.coordinates if name in facts.allowed]
    samplers = [name for name in facts.samplers if name in facts.allowed]
    softmax = [name for name in facts.nodes.get("Softmax", ()) if name in facts.allowed]
    config = render(
        "horizon_j5/hb_mapper.yaml.j2",
        facts,
        directories=directories,
        int16=int16,
        samplers=samplers,
        on_bpu=softmax,
    )
    document = yaml.safe_load(config)
    check_keys(document, KEYS, "hb_mapper.yaml")
    for name, node in document["model_parameters"].get("node_info", {}).items():
        check_keys(node, NODE, f"hb_mapper.yaml: node_info.{name}")
    return {
        "hb_mapper.yaml": config,
        "check.sh": render("horizon_j5/check.sh.j2", facts),
        HEADER: header(facts),
    }
