"""Rockchip RKNN-Toolkit2: convert for rk3588 and run in the simulator."""

from importlib.metadata import version
from pathlib import Path

import onnx
from report import Made, work
from rknn.api import RKNN

RULES = [
    "gather_to_conv",
    "fuse_slice_slice_concat_to_conv",
    "convert_rs_add_rs_to_rs_gather_elements",
]  # those that `convert_rknn.py` disables


def compile_(model: Path, folder: Path) -> Made:
    graph = onnx.load(model).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in graph.input
    }
    rknn = RKNN(verbose=True)  # how much memory the model takes is said in the log
    rknn.config(target_platform="rk3588", float_dtype="float16", disable_rules=RULES)
    if rknn.load_onnx(model=str(model), inputs=list(shapes), input_size_list=list(shapes.values())):
        raise RuntimeError("load_onnx refused it; see the log")
    if rknn.build(do_quantization=False):
        raise RuntimeError("build refused it; see the log")
    rknn.export_rknn(str(folder / "model.rknn"))

    def run(feeds):
        rknn.init_runtime()
        return rknn.inference(inputs=[feeds[name] for name in shapes], data_format=["nchw"] * len(shapes))

    return Made((folder / "model.rknn").stat().st_size, run)


work(compile_, f"rknn-toolkit2 {version('rknn-toolkit2')}")
