"""IREE: compile for this machine's CPU and run."""

from importlib.metadata import version
from pathlib import Path

import iree.runtime as runtime
import onnx
from iree.compiler import compile_file
from iree.compiler.tools.import_onnx.__main__ import main as import_onnx
from iree.compiler.tools.import_onnx.__main__ import parse_arguments
from report import Made, work


def compile_(model: Path, folder: Path) -> Made:
    source, made = folder / "model.mlir", folder / "model.vmfb"
    if import_onnx(parse_arguments([str(model), "-o", str(source), "--opset-version", "17"])):
        raise RuntimeError("the importer refused it; see the log")
    flags = ["--iree-llvmcpu-target-cpu=host"]
    compile_file(
        str(source), input_type="onnx", target_backends=["llvm-cpu"], extra_args=flags, output_file=str(made)
    )
    graph = onnx.load(model, load_external_data=False).graph
    names = [value.name for value in graph.input]

    def run(feeds):
        module = runtime.load_vm_flatbuffer_file(str(made), driver="local-task")
        found = module[graph.name](*(feeds[name] for name in names))
        return [each.to_host() for each in (found if isinstance(found, (list, tuple)) else [found])]

    return Made(made.stat().st_size, run)


work(compile_, f"iree {version('iree-base-compiler')}")
