"""The script for Qualcomm's compiler compiles once more with the quicker mode if a graph is refused, and says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from specialize.targets import qnn
from specialize.targets.finish import finish
from tests.targets.graphs import FACTS, attention_block

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
