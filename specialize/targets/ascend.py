"""Huawei Ascend: the ATC converter of CANN."""

from __future__ import annotations

from specialize.targets.base import ALLOWED, Evidence, FileFacts, Rule, Toolchain, table
from specialize.targets.config_keys import check_flags, known
from specialize.targets.render import HEADER, header, named_shapes, render

_LISTED = "CANN 5.0.4: list of supported ONNX operators"
_GRID = "cann/ops-cv: image/grid_sample/framework/grid_sample_onnx_plugin.cpp"
_PLUGIN = "mx_driving: ops/multi_scale_deformable_attn.py"

TOOLCHAIN = Toolchain(
    name="ascend",
    title="Huawei Ascend, ATC of CANN",
    opsets=(8, 18),
    opset=17,
    operators=table(
        (
            "NonZero GatherND GatherElements ScatterND ScatterElements Where Atan Mod AffineGrid Det Gather",
            ALLOWED,
        ),
        ("GridSample", Rule(text="mapped to GridSampler2D at opsets 11, 16, 17 and 18", source=_GRID)),
        ("npu::MultiScaleDeformableAttn", Rule(text="needs the operators of mx_driving", source=_PLUGIN)),
    ),
    unlisted=Rule(verdict="unknown", text="the list was not read for this operator"),
    forms=("ascend",),
    files=("convert_atc.sh", HEADER),
    evidence=(
        Evidence(kind="from documents", text=_LISTED),
        Evidence(kind="from documents", text=_GRID),
        Evidence(kind="from documents", text=_PLUGIN),
    ),
    source=_LISTED,
)


FLAGS = known(
    "framework model output input_format input_shape soc_version precision_mode op_select_implmode "
    "insert_op_conf input_fp16_nodes output_type auto_tune_mode log input_shape_range dynamic_dims"
)
"""Options of `atc` in public scripts."""


def files(facts: FileFacts) -> dict[str, str]:
    """Return a script that converts the model, and the C header."""
    shapes = named_shapes(facts, ",")
    script = render("ascend/convert_atc.sh.j2", facts, shapes=shapes)
    check_flags(script, FLAGS, "convert_atc.sh")
    return {"convert_atc.sh": script, HEADER: header(facts)}
