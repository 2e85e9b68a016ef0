"""Apache TVM: compile for this machine and run."""

from pathlib import Path

import numpy as np
import onnx
import tvm
from report import Made, work
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx


def compile_(model: Path, folder: Path) -> Made:
    proto = onnx.load(model)
    module = from_onnx(proto, keep_params_in_input=False)
    library = relax.build(relax.transform.LegalizeOps()(module), target="llvm")
    library.export_library(str(folder / "model.so"))
    machine = relax.VirtualMachine(library, tvm.cpu())
    names = [value.name for value in proto.graph.input]

    def run(feeds):
        found = machine["main"](*(tvm.runtime.tensor(np.ascontiguousarray(feeds[name])) for name in names))
        return [each.numpy() for each in ([found] if hasattr(found, "numpy") else found)]

    return Made((folder / "model.so").stat().st_size, run)


work(compile_, f"apache-tvm {tvm.__version__}")
