"""The kit for devices measures what it was given, and says so if a device computes something else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.compiler.build import build
from specialize.explain.demo import FILES
from specialize.files.resources import resource_dir
from specialize.request import BuildRequest
from tests.cli.running import CAR42
from tools.device.prepare import main

TRTEXEC = Path(__file__).parent / "as_trtexec.py"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    for name, source in FILES.items():
        shutil.copyfile(resource_dir(source) / name, folder / name)
    model = str(folder / "encoder.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        made = build(BuildRequest(calib=CAR42, model=model, output=folder / "car42", frames=1)).build_dir
        assert main([str(made), "-o", str(folder / "kit"), "--whole-model"]) == 0
    return folder / "kit"


def measure(kit: Path, script: str, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    command = [sys.executable, script, "--seconds", "1", *arguments]
    done = subprocess.run(command, cwd=kit, capture_output=True, text=True, check=False)
    results = kit / "results.json"
    return done, json.loads(results.read_text()) if results.exists() else {}


def test_a_kit_has_every_form_of_every_part(kit: Path) -> None:
    """Three parts in three forms, two precisions, with and without the plugin."""
    cases = json.loads((kit / "cases.json").read_text())["cases"]
    kinds = {(case["part"], case["form"], case["precision"], case["plugin"]) for case in cases}
    assert len(cases) == len(kinds) == 36
    plugin = next(case for case in cases if case["plugin"])
    graph = onnx.load(kit / plugin["model"], load_external_data=False).graph
    operators = {node.op_type for node in graph.node}
    assert "MultiscaleDeformableAttnPlugin_TRT" in operators
    assert "GridSample" not in operators
    half = next(case for case in cases if case["precision"] == "fp16" and case["part"] == "model")
    types = {tensor.data_type for tensor in onnx.load(kit / half["model"]).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types


@pytest.mark.parametrize(
    ("script", "extra"),
    [("run_onnxruntime.py", ()), pytest.param("run_openvino.py", (), marks=pytest.mark.slow)],
)
def test_a_runtime_is_measured_and_compared(kit: Path, script: str, extra: tuple[str, ...]) -> None:
    """Every form runs and computes what is expected; the table fits a terminal."""
    done, results = measure(kit, script, *extra)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(row["equal"] and row["difference"] <= 1e-4 for row in results["rows"])
    assert len(results["rows"]) == 9
    assert all(len(line) <= 80 for line in done.stdout.splitlines()[2:])


def test_a_script_times_a_model_that_it_is_given(kit: Path, tmp_path: Path) -> None:
    """It prints a number per run, as `tune --command` asks for, and writes what the model computes."""
    case = next(
        case for case in json.loads((kit / "cases.json").read_text())["cases"] if case["part"] == "rows"
    )
    outputs = tmp_path / "found.npz"
    words = ["--model", case["model"], "--inputs", case["feed"], "--outputs", str(outputs)]
    command = [sys.executable, "run_onnxruntime.py", *words]
    done = subprocess.run(command, cwd=kit, capture_output=True, text=True, check=True)
    assert all(float(line) > 0 for line in done.stdout.splitlines()) and done.stdout
    with np.load(outputs) as found, np.load(kit / case["expected"]) as wanted:
        for name in wanted.files:
            np.testing.assert_allclose(found[name], wanted[name], atol=1e-4)
    alone = subprocess.run(command[:4], cwd=kit, capture_output=True, text=True, check=False)
    assert alone.returncode == 2 and "--model and --inputs belong together" in alone.stderr


def test_wrong_numbers_are_no_result(kit: Path, tmp_path: Path) -> None:
    """A model that computes something else is marked, and the script ends with 4."""
    damaged = tmp_path / "kit"
    shutil.copytree(kit, damaged)
    path = damaged / "site.specialized.expected.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] * np.float32(1.01) for name in stored.files}
    np.savez(path, **arrays)
    done, results = measure(damaged, "run_onnxruntime.py", "--only", "site")
    assert done.returncode == 4
    wrong = [row for row in results["rows"] if not row["equal"]]
    assert [(row["part"], row["form"]) for row in wrong] == [("site", "specialized")]
    assert "NO: " in done.stdout


def test_a_runtime_without_the_provider_says_so(kit: Path) -> None:
    """Where a provider is missing every line says why, and nothing passes."""
    done, results = measure(kit, "run_onnxruntime.py", "--provider", "QNN", "--only", "rows")
    assert done.returncode == 4
    assert all("no QNNExecutionProvider" in row["failed"] for row in results["rows"])


def test_trtexec_is_told_what_it_understands(kit: Path, tmp_path: Path) -> None:
    """The script for TensorRT, with a program in trtexec's place that takes its options and computes on the CPU."""
    program = tmp_path / "trtexec"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{TRTEXEC}" "$@"\n')
    program.chmod(0o755)
    done, results = measure(kit, "run_tensorrt.py", "--trtexec", str(program), "--only", "rows")
    rows = [row for row in results["rows"] if not row["plugin"]]
    assert len(results["rows"]) == 18, done.stdout + done.stderr
    assert all(row["equal"] for row in rows), done.stdout
    assert {row["mode"] for row in rows} == {"fp32", "tf32", "fp16"}
    assert all("plugin" in row["failed"] for row in results["rows"] if row["plugin"])
