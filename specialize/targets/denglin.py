"""Denglin: an opset 11 front end, static shapes, deformable attention as an operator of its own."""

from __future__ import annotations

from specialize.targets.base import Evidence, FileFacts, Rule, Toolchain, table
from specialize.targets.render import HEADER, header

_SEEN = "igo312/SurroundOcc_onnx: tools/export.py and its history"

TOOLCHAIN = Toolchain(
    name="denglin",
    title="Denglin DL",
    opsets=(9, 11),
    opset=11,
    operators=table(
        ("DL::MultiScaleDeformableAttnFunction DL::DeformConv2d", Rule(source=_SEEN)),
        ("NonZero", Rule(
            verdict="refused", text="removed by its engineers, because shapes would come out "
                                    "dynamic", source=_SEEN,
            help="bind the calibration and fold: specialization leaves no NonZero",
        )),
    ),
    unlisted=Rule(verdict="unknown", text="there is no public list of operators"),
    form="denglin",
    grid_sample="gather",
    floats=("float32",),
    files=(HEADER,),
    evidence=(Evidence(kind="from documents", text=f"{_SEEN}: opset 11, onnxsim, no NonZero, operators "
                                                   f"of domain DL"),),
    source=_SEEN,
    notes=("no public document names its compiler's options: only the model and the header are written",),
)  # fmt: skip


def files(facts: FileFacts) -> dict[str, str]:
    """Return the C header."""
    return {HEADER: header(facts)}
