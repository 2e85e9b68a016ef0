"""ONNX Runtime on the CPU: where every build is proven."""

from __future__ import annotations

from specialize.targets.base import ALLOWED, Evidence, FileFacts, Int8, Rule, Toolchain, table
from specialize.targets.operators import COMMON, STANDARD_MSDA

TOOLCHAIN = Toolchain(
    name="onnxruntime",
    title="Microsoft ONNX Runtime, CPU",
    opsets=(7, 26),
    opset=17,
    operators=table(
        (COMMON, ALLOWED),
        ("DeformConv Einsum GatherElements GatherND Gather GridSample LayerNormalization NonZero", ALLOWED),
        ("ScatterElements ScatterND TopK Atan Mod CumSum Sign IsNaN com.microsoft::GridSample", ALLOWED),
        (STANDARD_MSDA, Rule(
            verdict="refused", text="it has no kernel for deformable attention",
            help="--target writes it with GridSample", source="ran here: onnxruntime 1.31",
        )),
    ),
    unlisted=Rule(verdict="unknown", text="not tried here; the standard's operators have a kernel each"),
    forms=("deform-conv",),
    floats=("float32", "float64"),
    static=False,
    int8=Int8(
        source="onnxruntime.quantization.quantize_static, 1.31: uint8 activations and int8 weights on x86",
        weight_bits_source="ran here: onnxruntime 1.31 on x86 without VNNI: pairs of products saturate in 16 bits",
    ),
    runtime="onnxruntime-kernels",
    evidence=(Evidence(kind="ran here", text="onnxruntime 1.31: every build is run on it and compared"),),
    source="ran here: onnxruntime 1.31",
    notes=(
        "open float16 models with optimization level EXTENDED: with ALL, 1.31 crashes on some of them on a CPU",
    ),
)  # fmt: skip


def files(facts: FileFacts) -> dict[str, str]:
    """Return nothing: the model is all that it reads."""
    return {}
