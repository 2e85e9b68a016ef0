"""Take the options of trtexec that the kit uses, and compute on ONNX Runtime; anything else is an error, as there.

Options and files are those of TensorRT 10: `trtexec --help`, and `exportOutput` and `exportTimes` in its samples.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

KNOWN = {
    "onnx", "saveEngine", "loadEngine", "loadInputs", "skipInference", "noTF32", "stronglyTyped", "warmUp",
    "iterations", "duration", "useSpinWait", "exportTimes", "exportOutput", "help",
}  # fmt: skip
TYPES = {
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}


def main() -> int:
    given = dict(argument.removeprefix("--").partition("=")[::2] for argument in sys.argv[1:])
    unknown = set(given) - KNOWN
    if unknown:
        print(f"[E] Unknown option: {sorted(unknown)[0]}")
        return 1
    if "help" in given:
        print("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --help")
        return 0
    if "onnx" in given:
        if any(node.domain for node in onnx.load(given["onnx"], load_external_data=False).graph.node):
            print("[E] a plugin that this stand-in does not have")
            return 1
        Path(given["saveEngine"]).write_text(str(Path(given["onnx"]).resolve()))
        return 0
    session = onnxruntime.InferenceSession(Path(given["loadEngine"]).read_text())
    files = dict(entry.rpartition(":")[::2] for entry in given["loadInputs"].split(","))
    feed = {}
    for value in session.get_inputs():
        array = np.fromfile(files[f"'{value.name}'"], TYPES[value.type])
        feed[value.name] = array.reshape(value.shape)
    found = session.run(None, feed)
    outputs = [
        {"name": value.name, "dimensions": "x".join(map(str, array.shape)), "values": array.ravel().tolist()}
        for value, array in zip(session.get_outputs(), found, strict=True)
    ]
    Path(given["exportOutput"]).write_text(json.dumps(outputs))
    Path(given["exportTimes"]).write_text(json.dumps([{"computeMs": 1.0 + index} for index in range(5)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
