"""Measure this folder with Apache TVM on this processor: python run_tvm.py [--target llvm].

Every process compiles its model anew, without tuning of TVM's own, which is not part of the measured time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from device_kit import Runtime, main

if TYPE_CHECKING:
    from device_kit import Array, Run


class Tvm(Runtime):
    """Apache TVM's Relax, compiled for a processor."""

    warmup, repeats = 1, 3

    def __init__(self, given: argparse.Namespace) -> None:
        self.target, self.name = given.target, f"Apache TVM, {given.target}"
        os.environ.setdefault("TVM_NUM_THREADS", str(given.threads))

    def version(self) -> str:
        """Return the version of TVM."""
        import tvm

        return str(tvm.__version__)

    def open(self, model: Path, feed: dict[str, Array], mode: str) -> Run:
        """Compile a model, and bind its inputs."""
        import onnx
        import tvm
        from tvm import relax
        from tvm.relax.frontend.onnx import from_onnx

        proto = onnx.load(model)
        module = relax.transform.LegalizeOps()(from_onnx(proto, keep_params_in_input=False))
        machine = relax.VirtualMachine(relax.build(module, target=self.target), tvm.cpu())
        inputs = [tvm.runtime.tensor(np.ascontiguousarray(feed[value.name])) for value in proto.graph.input]
        names = [value.name for value in proto.graph.output]

        def run() -> tuple[float, dict[str, Array]]:
            start = time.perf_counter()
            found = machine["main"](*inputs)
            taken = time.perf_counter() - start
            outputs = [found] if hasattr(found, "numpy") else list(found)
            return taken, {name: each.numpy() for name, each in zip(names, outputs)}

        return run


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this script is told."""
    parser.add_argument("--target", default="llvm", help="as TVM names it [%(default)s]")
    parser.add_argument("--threads", type=int, default=2, help="threads [%(default)s]")


if __name__ == "__main__":
    sys.exit(main(Tvm, arguments))
