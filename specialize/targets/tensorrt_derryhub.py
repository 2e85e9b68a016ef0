"""NVIDIA TensorRT with the plugins of DerryHub's BEVFormer: the usual way on Orin."""

from __future__ import annotations

from specialize.targets.base import Evidence, Rule, Toolchain, table
from specialize.targets.render import HEADER
from specialize.targets.tensorrt import INT8, OPERATORS, files

_PLUGINS = "DerryHub/BEVFormer_tensorrt: TensorRT/plugin"

TOOLCHAIN = Toolchain(
    name="tensorrt_derryhub",
    title="NVIDIA TensorRT 8.5 or 10 with the plugins of DerryHub's BEVFormer",
    opsets=(9, 17),
    opset=17,
    operators=OPERATORS
    | table(
        ("MultiScaleDeformableAttnTRT MultiScaleDeformableAttnTRT2 GridSampler2DTRT "
         "GridSampler2DTRT2", Rule()),
        ("GridSampler3DTRT GridSampler3DTRT2 RotateTRT RotateTRT2 InverseTRT", Rule()),
        ("ModulatedDeformableConv2dTRT ModulatedDeformableConv2dTRT2 BEVPoolV2TRT BEVPoolV2TRT2 QKVTRT "
         "QKVTRT2", Rule()),
    ),
    unlisted=Rule(verdict="unknown", text="neither in the table of operators nor among the plugins"),
    form="derryhub",
    forms=("derryhub2", "gridsample"),
    int8=INT8,
    files=("build_engine.sh", HEADER),
    evidence=(
        Evidence(kind="from documents", text=f"{_PLUGINS}/multi_scale_deformable_attn: inputs, and "
                                             f"that sampled points take the reference points in turn"),
        Evidence(kind="from documents", text="DerryHub/BEVFormer_tensorrt: TensorRT/README.md, BEV Pool: seven "
                                             "inputs, the last five int32; a result of "
                                             "[1, out_height, out_width, C]"),
        Evidence(kind="from documents", text="NVIDIA/DL4AGX: AV-Solutions/bevformer-int8-eq, the same "
                                             "plugins on TensorRT 10"),
    ),
    source=_PLUGINS,
    notes=("pooling with constant cells is written as BEVPoolV2TRT",
           "a map turned by one angle about a fixed center is written as RotateTRT",
           "the plugin library is built from its own repository and given to the script as PLUGINS",),
)  # fmt: skip

__all__ = ["TOOLCHAIN", "files"]
