"""Qualcomm's compiler: the script's second attempt at a refused graph, and the product that it computes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.graph import folding
from specialize.targets import qnn
from specialize.targets.lower import finish, lower
from tests.graphs import GraphMaker
from tests.targets.graphs import FACTS, attention_block
from tools.targets import run as tool

RUNTIME = """
import json, os

class Device:
    ep_name = "QNNExecutionProvider"

class SessionOptions:
    def add_session_config_entry(self, key, value): pass
    def add_provider_for_devices(self, devices, provider): self.provider = provider

def register_execution_provider_library(name, path): pass
def get_ep_devices(): return [Device()]

def InferenceSession(path, sess_options):
    from onnxruntime.capi.onnxruntime_pybind11_state import EPFail
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps(sess_options.provider) + "\\n")
    if sess_options.provider.get("htp_graph_finalization_optimization_mode", "0") not in os.environ["TAKEN"]:
        raise EPFail("Code: 1002")
"""
STATE = "class EPFail(RuntimeError): pass\n"


@pytest.mark.parametrize(("taken", "modes", "code"), [("0", 1, 0), ("1", 2, 0), ("none", 2, 1)])
def test_a_refused_graph_is_compiled_once_more(taken: str, modes: int, code: int, tmp_path: Path) -> None:
    """The default mode first; mode 1 only after a refusal; a graph that both refuse fails the script."""
    finish(attention_block(), "qnn", tmp_path, FACTS)
    capi = tmp_path / "stand_in" / "onnxruntime" / "capi"
    capi.mkdir(parents=True)
    (capi.parent / "__init__.py").write_text(RUNTIME)
    (capi / "__init__.py").touch()
    (capi / "onnxruntime_pybind11_state.py").write_text(STATE)
    (tmp_path / "stand_in" / "onnxruntime_qnn.py").write_text("def get_library_path(): return ''\n")
    calls = tmp_path / "calls"
    ran = subprocess.run(
        [sys.executable, tmp_path / "compile_qnn.py"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "stand_in"), "CALLS": str(calls), "TAKEN": taken},
    )  # fmt: skip
    providers = [json.loads(line) for line in calls.read_text().splitlines()]
    assert ran.returncode == code, ran.stderr
    assert providers == [qnn.PROVIDER, qnn.PROVIDER | qnn.IF_REFUSED][:modes]
    assert ("once more with" in ran.stdout) == (modes == 2)


@pytest.mark.slow
def test_a_batch_times_a_weight_is_right_as_the_target_writes_it(tmp_path: Path) -> None:
    """2 x 2500 rows are wrong with a weight of two axes and right with three; if both are right, lower no more."""
    python = tool.HOME / "qnn" / "bin" / "python"
    if not python.exists():
        pytest.skip("qnn is not installed: `make targets` does it")
    random = np.random.default_rng(0)
    g = GraphMaker()
    weight = random.normal(size=(256, 256)).astype(np.float32) / 16
    proto = g.model(out=g.op("MatMul", g.input("x", (2, 2500, 256)), g.const(weight)))
    onnx.save(proto, tmp_path / "padded.onnx")
    model = ir.from_proto(proto)
    folding.fold(model)
    lower(model, qnn.TOOLCHAIN)
    (tmp_path / "qnn").mkdir()
    ir.save(model, tmp_path / "qnn" / "specialized.onnx")
    np.savez(tmp_path / "feeds.npz", x=random.normal(size=(2, 2500, 256)).astype(np.float32))
    tool.expect(tmp_path)
    plain, written = (tool.one("qnn", python, tmp_path, form, 120) for form in ("padded", "specialized"))
    assert plain["error"] > 1.0 > 0.01 > written["error"]
