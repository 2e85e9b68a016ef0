"""OpenVINO on the CPU: takes almost everything, and computes one common pattern wrong."""

from __future__ import annotations

from specialize.targets.base import ALLOWED, Evidence, FileFacts, Int8, Rule, Toolchain, table
from specialize.targets.limits import MostAxes, NoCameraSumThenScale
from specialize.targets.operators import COMMON, STANDARD_MSDA
from specialize.targets.render import HEADER, header, render

_RAN = "ran here: openvino 2026.4.1 CPU"

TOOLCHAIN = Toolchain(
    name="openvino",
    title="Intel OpenVINO, CPU",
    opsets=(7, 20),
    opset=17,
    form="points-first",
    operators=table(
        (COMMON, ALLOWED),
        ("Gather GatherElements GatherND ScatterElements ScatterND TopK LayerNormalization Einsum "
         "NonZero Atan", ALLOWED),
        ("ReduceSum", Rule(
            limits=(NoCameraSumThenScale(),), text="computed wrong by a fusion in 2025.4.1 and 2026.4.1",
            help="sum the cameras along another axis, or with Add, as specialization does", source=_RAN,
        )),
        ("GridSample", Rule(limits=(MostAxes(4),), text="5-D sampling has no conversion rule", source=_RAN)),
        ("DeformConv", Rule(
            verdict="refused", text="No conversion rule found for operations: DeformConv",
            help="lower deformable convolutions to GridSample", source=_RAN,
        )),
        (STANDARD_MSDA, Rule(
            verdict="refused", text="No conversion rule found", help="--target writes it with "
                "GridSample", source=_RAN,
        )),
    ),
    unlisted=Rule(verdict="unknown", text="not tried here"),
    floats=("float32", "float16", "float64"),
    static=False,
    int8=Int8(
        symmetric=True,
        source=f"{_RAN}: symmetric pairs computed right",
        weight_bits_source=f"{_RAN}: on x86 without VNNI pairs of products saturate in 16 bits",
    ),
    runtime="openvino",
    files=("compile_openvino.py", HEADER),
    evidence=(
        Evidence(kind="ran here", text="openvino 2026.4.1: specialized attention right to 3e-6; dynamic "
                                       "form accepted"),
        Evidence(kind="ran here", text="ReduceSum over axis 0, then a product with one number per row, "
                                       "is wrong"),
    ),
    source=_RAN,
    notes=("every build can be timed on it: specialize bench --runtime openvino",),
)  # fmt: skip


def files(facts: FileFacts) -> dict[str, str]:
    """Return a script that compiles and runs the model, and the C header."""
    return {"compile_openvino.py": render("openvino/compile_openvino.py.j2", facts), HEADER: header(facts)}
