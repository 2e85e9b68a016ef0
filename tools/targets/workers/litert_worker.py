"""LiteRT: convert with onnx2tf and run the interpreter."""

import os
from importlib.metadata import version
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import onnx
import onnx2tf
from ai_edge_litert.interpreter import Interpreter
from report import Made, work


def compile_(model: Path, folder: Path) -> Made:
    graph = onnx.load(model, load_external_data=False).graph
    names = [value.name for value in graph.input]
    as_they_are = [value.name for value in graph.input if 3 <= len(value.type.tensor_type.shape.dim) <= 5]
    onnx2tf.convert(
        input_onnx_file_path=str(model),
        output_folder_path=str(folder),
        keep_ncw_or_nchw_or_ncdhw_input_names=as_they_are or None,
        non_verbose=True,
        verbosity="error",
    )
    (made,) = folder.glob("*_float32.tflite")

    def run(feeds):
        interpreter = Interpreter(str(made))
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            name = next(name for name in names if detail["name"].split(":")[0].endswith(name))
            interpreter.set_tensor(detail["index"], feeds[name].reshape(detail["shape"]))
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]

    return Made(made.stat().st_size, run)


work(compile_, f"onnx2tf {version('onnx2tf')}, ai-edge-litert {version('ai-edge-litert')}")
