"""Measure this folder with ONNX Runtime: python run_onnxruntime.py --provider CPU | CUDA | TensorRT | QNN.

CUDA in float32 runs twice, without and with TF32. QNN computes on the HTP in 16-bit floats, which it makes of the
models in float32; `--backend` names its library if that is not beside ONNX Runtime's.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_kit import Runtime, main

if TYPE_CHECKING:
    from device_kit import Array, Run

PROVIDERS = {
    "CPU": "CPUExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "TensorRT": "TensorrtExecutionProvider",
    "QNN": "QNNExecutionProvider",
}
MODES = {
    "CPU": ("fp32",),
    "CUDA": ("fp32", "tf32", "fp16"),
    "TensorRT": ("fp32", "tf32", "fp16"),
    "QNN": ("fp16",),
}


class OnnxRuntime(Runtime):
    """ONNX Runtime with one provider; on CUDA, inputs and outputs stay on the device."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.provider, self.backend, self.threads = given.provider, given.backend, given.threads
        self.name, self.modes = f"ONNX Runtime, {given.provider}", MODES[given.provider]
        self.fp16_models = given.provider == "CUDA"

    def version(self) -> str:
        """Return the version of ONNX Runtime."""
        import onnxruntime

        return str(onnxruntime.__version__)

    def options(self, mode: str) -> dict[str, str]:
        """Return what the provider is told about a mode."""
        if self.provider == "CUDA":
            return {"use_tf32": str(int(mode != "fp32"))}
        if self.provider == "TensorRT":
            kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": "engines"}
            os.environ["NVIDIA_TF32_OVERRIDE"] = str(int(mode != "fp32"))  # the provider has no option for it
            return {**kept, "trt_fp16_enable": str(int(mode == "fp16"))}
        if self.provider == "QNN":
            return {
                "backend_path": self.backend,
                "htp_performance_mode": "burst",
                "enable_htp_fp16_precision": "1",
            }
        return {}

    def open(self, model: Path, feed: dict[str, Array], mode: str) -> Run:
        """Open a model with the provider alone where it takes all of it; what it leaves runs on the CPU."""
        import onnxruntime

        provider = PROVIDERS[self.provider]
        if provider not in onnxruntime.get_available_providers():
            sys.exit(
                f"this ONNX Runtime has no {provider}: {', '.join(onnxruntime.get_available_providers())}"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = self.threads, 3
        chosen: list[Any] = [(provider, self.options(mode)), "CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(
            str(model), options, providers=chosen[: 1 + (self.provider != "CPU")]
        )
        place = "cuda" if self.provider in ("CUDA", "TensorRT") else "cpu"
        binding = session.io_binding()
        for value in session.get_inputs():
            held = onnxruntime.OrtValue.ortvalue_from_numpy(feed[value.name], place, 0)
            binding.bind_ortvalue_input(value.name, held)
        names = [value.name for value in session.get_outputs()]
        for name in names:
            binding.bind_output(name, place)

        def run() -> tuple[float, dict[str, Array]]:
            start = time.perf_counter()
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            taken = time.perf_counter() - start
            return taken, dict(zip(names, binding.copy_outputs_to_cpu()))

        return run


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this script is told."""
    parser.add_argument("--provider", choices=PROVIDERS, default="CPU", help="[%(default)s]")
    parser.add_argument("--threads", type=int, default=2, help="threads on the CPU [%(default)s]")
    parser.add_argument("--backend", default="libQnnHtp.so", help="library of QNN's backend [%(default)s]")


if __name__ == "__main__":
    sys.exit(main(OnnxRuntime, arguments))
