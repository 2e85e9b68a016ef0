"""Qualcomm QNN HTP through the execution provider of ONNX Runtime: offline context binaries for a named SoC."""

from __future__ import annotations

from specialize.targets.base import ALLOWED, Evidence, FileFacts, Int8, Rule, Toolchain, table
from specialize.targets.config_keys import check_keys, known
from specialize.targets.limits import ConstantInputs, MostAxes, OneOf
from specialize.targets.operators import STANDARD_MSDA
from specialize.targets.render import HEADER, header, render

_RAN = "ran here: onnxruntime-qnn 2.7.0, QAIRT 2.51"
_LISTED = "onnxruntime/onnxruntime-qnn: builder/op_builder_factory.cc"

TOOLCHAIN = Toolchain(
    name="qnn",
    title="Qualcomm QNN HTP, ONNX Runtime execution provider",
    opsets=(7, 20),
    opset=17,
    operators=table(
        ("Add And ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Conv ConvTranspose Cos "
         "DepthToSpace Div Elu",
         ALLOWED),
        ("Equal Erf Exp Expand Flatten Floor Gelu Gemm GlobalAveragePool GlobalMaxPool Greater "
         "GroupNormalization", ALLOWED),
        ("InstanceNormalization LRN LayerNormalization LeakyRelu Less Log LogSoftmax MatMul Max MaxPool "
         "Mul Neg Not PRelu",
         ALLOWED),
        ("Abs Pad Pow Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape "
         "Resize Round Shape", ALLOWED),
        ("Sigmoid Sin Slice Softmax Softplus Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Unsqueeze "
         "Where", ALLOWED),
        ("Identity Constant ConstantOfShape Min Or", ALLOWED),
        ("Gather GatherElements GatherND Einsum Atan", Rule(source=_RAN)),
        ("ScatterND", Rule(limits=(OneOf("reduction", ("none", "add")),), text="adding is supported", source=_RAN)),
        ("ScatterElements", Rule(
            limits=(OneOf("reduction", ("none",)),), text="ScatterElements(add) is refused", source=_RAN,
            help="write the sum with Gather and Add, as specialization does",
        )),
        ("GridSample", Rule(limits=(MostAxes(4),), text="5-D sampling is refused", source=_RAN)),
        ("NonZero", Rule(
            verdict="refused", text="NonZero output shape must be static. Set shape to [rank, "
                                    "num_elements].", source=_RAN,
            help="bind the calibration and fold: specialization leaves no NonZero, not even on constants",
        )),
        ("CumSum", Rule(text="differences of sums lose precision in float16 (0.15)", source=_RAN)),
        ("Range", Rule(limits=(ConstantInputs((0, 1, 2)),), text="only of constants")),
        (f"{STANDARD_MSDA} DeformConv Inverse", Rule(
            verdict="refused", text="no builder for this operator", source=_LISTED,
            help="--target writes deformable attention with GridSample",
        )),
    ),
    unlisted=Rule(verdict="unknown", text="not in the list of operator builders"),
    quirks=("batched weights",),
    highest_rank=5,
    highest_rank_source=f"{_RAN}: Add, Reshape and Transpose of rank 6 are refused",
    int8=Int8(
        source=f"{_RAN}: symmetric int8 was wrong (4.1), asymmetric int8 right (0.072)",
        weight_bits=8,
        weight_bits_source=f"Hexagon HVX Programmer's Reference, vrmpy: products are added in 32 bits; {_RAN}: right",
    ),
    files=("compile_qnn.py", "qnn_session.json", HEADER),
    evidence=(
        Evidence(kind="ran here", text="onnxruntime-qnn 2.7.0 (QAIRT 2.51): context binary for a named "
                                       "SoC, x86 HTP emulation"),
        Evidence(kind="ran here", text="one attention: context 6.43 MB zero-padded, 3.05 MB "
                                       "specialized; error 0.006 of 4.7 in float16"),
        Evidence(kind="ran here", text="2 x 2500 rows times a weight of two axes are wrong from row 312 on; with "
                                       "three, as written, encoder and decoder are right to 2 percent in float16"),
        Evidence(kind="ran here", text="a whole detector: its default mode leaves six float32 images of 480 x 800 px "
                                       "in pieces of 14.7 MB, more than the 8 MB of fast memory; mode 1 compiles it"),
        Evidence(kind="ran here", text="symmetric int8 was wrong (4.1), asymmetric int8 right (0.072): "
                                       "check every scheme"),
    ),
    source=_LISTED,
)  # fmt: skip

SESSION = {
    "ep.context_enable": "1",
    "ep.context_embed_mode": "0",
    "ep.context_file_path": "model_ctx.onnx",
    "session.disable_cpu_ep_fallback": "1",
}
"""Session options: write a context binary, and fail rather than run anything on the CPU."""

PROVIDER = {
    "backend_type": "htp",
    "htp_arch": "73",
    "soc_model": "43",
    "enable_htp_fp16_precision": "1",
    "offload_graph_io_quantization": "0",
}
"""Provider options; architecture and SoC must both be given for float16. 73 and 43 are a pair that ran."""

IF_REFUSED = {"htp_graph_finalization_optimization_mode": "1"}
"""Provider options added if the compiler stops (1002): documented as faster preparation and a less optimal graph.

Its default mode left six float32 images of 480 x 800, a graph input of rank 5, in two pieces of 14.7 and 12.9 MB, where
the chip has 8 MB of fast memory; mode 1 compiled the same graph.
"""


KEYS = {
    "session": known(
        "ep.context_enable ep.context_file_path ep.context_embed_mode session.disable_cpu_ep_fallback"
    ),
    "provider": known(
        "backend_type htp_arch soc_model enable_htp_fp16_precision offload_graph_io_quantization"
    ),
    "provider_if_refused": known("htp_graph_finalization_optimization_mode"),
}
"""Keys of `qnn_session.json`: those that ran here."""


def files(facts: FileFacts) -> dict[str, str]:
    """Return a script that writes the context binary, its options, and the C header."""
    options = {"session": SESSION, "provider": PROVIDER, "provider_if_refused": IF_REFUSED}
    check_keys(options, KEYS, "qnn_session.json")
    return {
        "compile_qnn.py": render("qnn/compile_qnn.py.j2", facts),
        "qnn_session.json": render("qnn/qnn_session.json.j2", facts, options=options),
        HEADER: header(facts),
    }
