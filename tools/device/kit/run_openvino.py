"""Measure this folder with OpenVINO: python run_openvino.py --device CPU | GPU | NPU."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from device_kit import Runtime, main

if TYPE_CHECKING:
    from device_kit import Array, Run

MODES = {"CPU": ("fp32",), "GPU": ("fp32", "fp16"), "NPU": ("fp16",)}


class OpenVino(Runtime):
    """OpenVINO on one device; in 16-bit floats it rounds the models in float32 itself."""

    fp16_models = False

    def __init__(self, given: argparse.Namespace) -> None:
        self.device, self.threads = given.device, given.threads
        self.name, self.modes = f"OpenVINO, {given.device}", MODES[given.device]

    def version(self) -> str:
        """Return the version of OpenVINO and the device's name."""
        import openvino

        device = openvino.Core().get_property(self.device, "FULL_DEVICE_NAME")
        return f"{str(openvino.__version__).partition('-')[0]}, {device}"

    def open(self, model: Path, feed: dict[str, Array], mode: str) -> Run:
        """Compile a model for the device, tuned for the time of one frame."""
        import openvino

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "fp16": "f16"}[mode],
        }
        if self.device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = str(self.threads)
        compiled = openvino.compile_model(openvino.Core().read_model(str(model)), self.device, settings)
        request = compiled.create_infer_request()
        used = {
            place: next(feed[name] for name in port.get_names() if name in feed)
            for place, port in enumerate(compiled.inputs)
        }

        def run() -> tuple[float, dict[str, Array]]:
            start = time.perf_counter()
            request.infer(used)
            taken = time.perf_counter() - start
            found = {}
            for port, tensor in zip(compiled.outputs, request.output_tensors):
                found.update({name: np.array(tensor.data) for name in port.get_names()})
            return taken, found

        return run


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this script is told."""
    parser.add_argument("--device", choices=MODES, default="CPU", help="[%(default)s]")
    parser.add_argument("--threads", type=int, default=2, help="threads on the CPU [%(default)s]")


if __name__ == "__main__":
    sys.exit(main(OpenVino, arguments))
