"""OpenVINO: compile for the CPU and run."""

from importlib.metadata import version
from pathlib import Path

import openvino
from report import Made, work


def compile_(model: Path, folder: Path) -> Made:
    read = openvino.Core().read_model(str(model))
    compiled = openvino.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    openvino.save_model(read, str(folder / "model.xml"), compress_to_fp16=False)

    def run(feeds):
        names = [port.get_any_name() for port in compiled.inputs]
        found = compiled({name: feeds[name] for name in names})
        return [found[port] for port in compiled.outputs]

    return Made((folder / "model.bin").stat().st_size + (folder / "model.xml").stat().st_size, run)


work(compile_, f"openvino {version('openvino')}")
