"""Apache TVM (Relax): the most faithful of the toolchains that ran here."""

from __future__ import annotations

from specialize.targets.base import ALLOWED, Evidence, FileFacts, Int8, Rule, Toolchain, table
from specialize.targets.limits import InputType
from specialize.targets.operators import COMMON, STANDARD_MSDA
from specialize.targets.render import HEADER, header, render

_RAN = "ran here: apache-tvm 0.27.0"

TOOLCHAIN = Toolchain(
    name="tvm",
    title="Apache TVM, Relax",
    opsets=(7, 20),
    opset=17,
    form="corner-product",
    operators=table(
        (COMMON, ALLOWED),
        ("Gather GatherElements GatherND ScatterElements ScatterND TopK LayerNormalization Einsum "
         "NonZero Atan", ALLOWED),
        ("GridSample", Rule(
            limits=(InputType(0, ("float32",)),), text="its GridSample returns float32: a float16 graph "
                                                       "does not type",
            help="keep sampling in float32, or build with --target, which writes attention with Gather", source=_RAN,
        )),
        (STANDARD_MSDA, Rule(
            verdict="refused", text="no converter", help="--target writes it with Gather", source=_RAN,
        )),
    ),
    unlisted=Rule(verdict="unknown", text="not tried here"),
    floats=("float32", "float64"),
    static=False,
    int8=Int8(symmetric=True, source=f"{_RAN}: symmetric pairs computed right"),
    files=("compile_tvm.py", HEADER),
    evidence=(
        Evidence(kind="ran here", text="apache-tvm 0.27.0: specialized attention right to 3e-6, no "
                                       "wrong result in any test"),
        Evidence(kind="ran here", text="attention as corner-product: the site of BEVFormer-tiny right to 1e-6"),
        Evidence(kind="ran here", text="cross-compiles to aarch64 code; linking it needs a cross linker"),
    ),
    source=_RAN,
)  # fmt: skip


def files(facts: FileFacts) -> dict[str, str]:
    """Return a script that compiles the model, and the C header."""
    return {"compile_tvm.py": render("tvm/compile_tvm.py.j2", facts), HEADER: header(facts)}
