"""NVIDIA TensorRT, with what ships with it: GridSample from 8.5 on, or its own plugin for deformable attention."""

from __future__ import annotations

from specialize.targets.base import ALLOWED, Evidence, FileFacts, Int8, Rule, Toolchain, table
from specialize.targets.config_keys import check_flags, known
from specialize.targets.limits import ConstantInputs, MostAxes, OneOf
from specialize.targets.operators import COMMON
from specialize.targets.render import HEADER, header, render

_RAN = "ran here: tensorrt-rtx 1.7.1"
_LISTED = "onnx/onnx-tensorrt: docs/operators.md, 10.1"
_PLUGIN = "NVIDIA/TensorRT: plugin/multiscaleDeformableAttnPlugin/README.md"
_AXES = Rule(limits=(ConstantInputs((1,)),), text="`axes` must be an initializer")
_NO_REDUCTION = Rule(
    limits=(OneOf("reduction", ("none",)),), text="`reduction` is not supported", source=f"{_LISTED}; {_RAN}",
    help="write the sum with Gather and Add, as specialization does; for pooling take tensorrt_derryhub, which has "
         "an operator for it",
)  # fmt: skip

OPERATORS = table(
    (COMMON, ALLOWED),
    ("Gather GatherElements GatherND Einsum Atan LayerNormalization Sign IsNaN IsInf Mod Gelu Mish Selu "
     "Acos Asin Tan",
     ALLOWED),
    ("ArgMax ArgMin CastLike Celu Cosh DequantizeLinear DeformConv GlobalMaxPool GroupNormalization "
     "QuantizeLinear", ALLOWED),
    ("Range ReduceL1 ReduceL2 ReduceProd Sinh Softsign Trilu Xor Dropout Size Mean Hardmax", ALLOWED),
    ("ReduceMax ReduceMean ReduceMin ReduceSum Squeeze Unsqueeze CumSum", _AXES),
    ("GridSample", Rule(
        limits=(MostAxes(4), OneOf("mode", ("bilinear", "nearest"))), source=_LISTED,
        text="4-D input; its parser reads the mode `linear` of opset 20 as nearest, without a warning",
        help="write opset 16 to 19, as --target does",
    )),
    ("ScatterND ScatterElements", _NO_REDUCTION),
    ("NonZero", Rule(
        verdict="refused", text="NonZero plugin creator version 1 was not found in plugin "
                                "registry", source=_RAN,
        help="bind the calibration and fold; TensorRT 10 reads NonZero, as a shape that depends on data",
    )),
    ("TopK", Rule(text="`sorted` must be 1, K less than 3840")),
    ("AffineGrid Bernoulli BitShift Compress ConvInteger Det MatMulInteger Unique QLinearConv "
     "QLinearMatMul", Rule(
        verdict="refused", text="listed as not supported",
    )),
)  # fmt: skip

INT8 = Int8(
    symmetric=True,
    source="ran here: tensorrt-rtx 1.7.1: non-zero zero points are refused",
    weight_bits=8,
    weight_bits_source="PTX ISA, dp4a and mma: products of 8-bit integers are added in 32 bits",
)

TOOLCHAIN = Toolchain(
    name="tensorrt",
    title="NVIDIA TensorRT 10",
    opsets=(9, 20),
    opset=17,
    operators=OPERATORS
    | table(
        ("MultiscaleDeformableAttnPlugin_TRT trt::MultiscaleDeformableAttnPlugin_TRT", Rule(source=_PLUGIN)),
    ),
    unlisted=Rule(verdict="unknown", text="not in the table of operators"),
    forms=("tensorrt", "vad", "mmdeploy"),
    floats=("float32", "float16", "float64"),
    int8=INT8,
    files=("build_engine.sh", HEADER),
    evidence=(
        Evidence(
            kind="ran here", text="tensorrt-rtx 1.7.1: engine built for SM86 without a GPU; no engine was run"
        ),
        Evidence(kind="ran here", text="one attention: engine 2.57 MB zero-padded, 1.89 MB specialized"),
        Evidence(kind="from documents", text=_LISTED),
        Evidence(kind="from documents", text=_PLUGIN),
    ),
    source=_LISTED,
    notes=("quantization must be symmetric: non-zero zero points are refused",),
)


FLAGS = known(
    "onnx saveEngine loadEngine staticPlugins plugins fp16 int8 best stronglyTyped minShapes optShapes "
    "maxShapes skipInference profilingVerbosity dumpProfile separateProfileRun useSpinWait useManagedMemory "
    "tacticSources verbose"
)
"""Options of `trtexec` in scripts of NVIDIA/DL4AGX and NVIDIA-AI-IOT/Lidar_AI_Solution."""


PRECISIONS = {"float32": ("fp16",), "fp16": ("stronglyTyped",), "int8": ("stronglyTyped",)}
"""Options of `trtexec` by the number format of the model: a converted model says itself what has which type."""

PRECISIONS_8 = {"float32": ("fp16",), "fp16": ("fp16",), "int8": ("int8", "fp16")}
"""The same before TensorRT 9. Without `int8` it refuses pairs of QuantizeLinear and DequantizeLinear: "int8 is not
configured in the builder" (microsoft/onnxruntime issue 13381)."""


def files(facts: FileFacts) -> dict[str, str]:
    """Return a script that builds the engine, with the plugin library if the target has one, and the C header."""
    older = facts.target != TOOLCHAIN.name
    flags = (PRECISIONS_8 if older else PRECISIONS)[facts.build.precision]
    script = render("tensorrt/build_engine.sh.j2", facts, flags=flags)
    check_flags(script, FLAGS, "build_engine.sh")
    return {"build_engine.sh": script, HEADER: header(facts)}
