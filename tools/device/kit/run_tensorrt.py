"""Measure this folder with TensorRT: python run_tensorrt.py [--trtexec PATH] [--plugins LIBRARY].

It drives `trtexec`, which comes with TensorRT on servers, Jetson and DRIVE alike. Engines are built once and kept in
`engines/` beside this file, which takes minutes and is not part of the measured time. Float32 engines are built
without TF32 and with it; those in 16-bit floats of the models that say themselves which tensors have 16 bits.
Models with the plugin `MultiscaleDeformableAttnPlugin_TRT` need TensorRT's own plugin library, which trtexec loads.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from device_kit import Runtime, main

if TYPE_CHECKING:
    from device_kit import Array, Run

FLAGS = {"fp32": ["--noTF32"], "tf32": [], "fp16": ["--stronglyTyped"]}


class TensorRt(Runtime):
    """TensorRT through `trtexec`: one process builds an engine, others run it."""

    modes = ("fp32", "tf32", "fp16")
    plugin = True
    warmup, repeats = 0, 1  # trtexec warms up and repeats by itself

    def __init__(self, given: argparse.Namespace) -> None:
        self.trtexec, self.plugins = given.trtexec, given.plugins
        self.name = "TensorRT"

    def version(self) -> str:
        """Return the version that `trtexec` prints."""
        done = subprocess.run([self.trtexec, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lines = done.stdout.decode(errors="replace").splitlines()
        return next((line.split("[")[-1].split("]")[0] for line in lines if "TensorRT v" in line), "unknown")

    def call(self, *arguments: str) -> None:
        """Run `trtexec`, and end with its last error if it fails."""
        extra = [f"--staticPlugins={self.plugins}"] if self.plugins else []
        done = subprocess.run(
            [self.trtexec, *arguments, *extra], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            lines = done.stdout.decode(errors="replace").splitlines()
            errors = [line for line in lines if "[E]" in line] or lines or ["no output"]
            sys.exit(f"trtexec: {errors[0].strip()}")

    def open(self, model: Path, feed: dict[str, Array], mode: str) -> Run:
        """Build the engine of a model if there is none, and return what runs it."""
        room = model.parent / "engines" / f"{model.stem}.{mode}"
        room.mkdir(parents=True, exist_ok=True)
        engine = room / "model.engine"
        if not engine.exists():
            made = room / "unfinished.engine"
            self.call(f"--onnx={model}", f"--saveEngine={made}", "--skipInference", *FLAGS[mode])
            made.rename(engine)
        for name, array in feed.items():
            array.tofile(room / f"{safe(name)}.bin")
        inputs = ",".join(f"'{name}':{room / safe(name)}.bin" for name in feed)
        times, outputs = room / "times.json", room / "outputs.json"

        def run() -> tuple[float, dict[str, Array]]:
            self.call(
                f"--loadEngine={engine}", f"--loadInputs={inputs}", "--warmUp=200", "--iterations=20", "--duration=0",
                "--useSpinWait", f"--exportTimes={times}", f"--exportOutput={outputs}",
            )  # fmt: skip
            return median_seconds(times), read_outputs(outputs)

        return run


def safe(name: str) -> str:
    """Return the name of an input as a file may be called."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


def median_seconds(path: Path) -> float:
    """Return the median of the times on the device that `trtexec --exportTimes` wrote, in seconds."""
    runs = json.loads(path.read_text())
    return float(np.median([run["computeMs"] for run in runs])) / 1e3


def read_outputs(path: Path) -> dict[str, Array]:
    """Return the tensors that `trtexec --exportOutput` wrote."""
    found = {}
    for each in json.loads(path.read_text()):
        shape = [int(size) for size in str(each["dimensions"]).split("x")]
        found[each["name"]] = np.array(each["values"], np.float64).reshape(shape)
    return found


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this script is told."""
    parser.add_argument("--trtexec", default="trtexec", help="path of trtexec [%(default)s]")
    parser.add_argument("--plugins", help="a further library of plugins")


if __name__ == "__main__":
    sys.exit(main(TensorRt, arguments))
