"""Files of targets use documented keys and options only, and do what they say when they are run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx_ir as ir
import pytest

from specialize.errors import InternalError
from specialize.graph.io import write_graph
from specialize.targets import ascend, qnn, rknn, tensorrt
from specialize.targets.finish import finish
from specialize.targets.keys import check_arguments, check_flags, check_keys, known
from tests.targets.graphs import FACTS, attention_block

TOOLCHAINS = Path(__file__).parents[2] / ".targets"


def built(name: str, folder: Path) -> ir.Model:
    """Write a model and all files of a target into a folder whose name has a space."""
    folder.mkdir()
    model = attention_block()
    finish(model, name, folder, FACTS)
    write_graph(model, folder / "model.onnx")
    return model


def run_with(command: str, script: str, folder: Path, *words: str, **environment: str) -> list[str]:
    """Run a shell script where a vendor's command only writes down its arguments; return those of all calls."""
    tools = folder / "tools"
    tools.mkdir()
    stand_in = tools / command
    stand_in.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word" >> "$CALLS"; done\n')
    stand_in.chmod(0o755)
    calls = folder / "calls"
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", folder / script, *words],
        check=True,
        cwd="/",
        env={"PATH": path, "CALLS": str(calls), **environment},
    )
    return calls.read_text().splitlines()


def test_trtexec_gets_the_model(tmp_path: Path) -> None:
    """The script builds an engine of the model beside it, wherever it is called, and hands on further options."""
    folder = tmp_path / "my build"
    built("tensorrt", folder)
    words = run_with("trtexec", "build_engine.sh", folder, "--verbose")
    assert f"--onnx={folder}/model.onnx" in words and f"--saveEngine={folder}/model.engine" in words
    assert words[-1] == "--verbose"


def test_plugins_are_asked_for(tmp_path: Path) -> None:
    """Where the model needs a plugin library, the script stops without one, and hands it on."""
    folder = tmp_path / "my build"
    built("tensorrt_derryhub", folder)
    ran = subprocess.run(["sh", folder / "build_engine.sh"], capture_output=True, text=True, check=False)
    assert ran.returncode != 0 and "set PLUGINS" in ran.stderr
    assert "--staticPlugins=/lib/my ops.so" in run_with(
        "trtexec", "build_engine.sh", folder, PLUGINS="/lib/my ops.so"
    )


def test_atc_gets_shapes_and_chip(tmp_path: Path) -> None:
    """The converter is told every input's shape, and the chip that is named on the command line."""
    folder = tmp_path / "my build"
    model = built("ascend", folder)
    words = run_with("atc", "convert_atc.sh", folder, "Ascend310B1")
    shapes = next(word for word in words if word.startswith("--input_shape="))
    assert shapes.count(";") == len(model.graph.inputs) - 1 and "query:2,6,8" in shapes
    assert "--soc_version=Ascend310B1" in words


def test_hb_mapper_is_called_twice(tmp_path: Path) -> None:
    """First to check the model, with every input's shape, then to compile it from its configuration."""
    folder = tmp_path / "my build"
    built("horizon_j5", folder)
    words = run_with("hb_mapper", "check.sh", folder)
    assert words[0] == "checker" and "makertbin" in words
    assert words.count("--input-shape") == 3 and words[-1] == "hb_mapper.yaml"


def test_softmax_is_asked_for_on_the_bpu(tmp_path: Path) -> None:
    """hb_mapper's configuration names every Softmax, which is on four axes."""
    import yaml

    folder = tmp_path / "my build"
    model = built("horizon_j5", folder)
    named = yaml.safe_load((folder / "hb_mapper.yaml").read_text())["calibration_parameters"]["run_on_bpu"]
    found = [node for node in model.graph if node.op_type == "Softmax"]
    assert named.split(";") == [node.name for node in found] != []
    assert all(len(node.outputs[0].shape or ()) == 4 for node in found)


@pytest.mark.parametrize(
    ("name", "script", "says"),
    [
        ("openvino", "compile_openvino.py", "2 outputs"),
        pytest.param("tvm", "compile_tvm.py", "compiled in", marks=pytest.mark.slow),
        pytest.param("qnn", "compile_qnn.py", "compiled in", marks=pytest.mark.slow),
        pytest.param("rknn", "convert_rknn.py", "2 outputs", marks=pytest.mark.slow),
    ],
)
def test_scripts_run(name: str, script: str, says: str, tmp_path: Path) -> None:
    """Where the toolchain is installed, its script compiles the model."""
    python = Path(sys.executable) if name == "openvino" else TOOLCHAINS / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{name} is not installed: `make targets` does it")
    folder = tmp_path / "my build"
    built(name, folder)
    ran = subprocess.run([python, folder / script], capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert says in ran.stdout


@pytest.mark.parametrize(
    ("script", "flag"),
    [("trtexec \\\n  --onnx=a --savEngine=b", "savEngine"), ("# --nothing\ntrtexec --onxx=a", "onxx")],
)
def test_an_undocumented_option_is_a_bug_here(script: str, flag: str) -> None:
    """The check of options names the option and the closest documented one; comments are not options."""
    with pytest.raises(InternalError, match=rf"(?s)build_engine\.sh\.{flag}: .*did you mean"):
        check_flags(script, tensorrt.FLAGS, "build_engine.sh")
    check_flags("# --nothing\natc --model=a --soc_version=b", ascend.FLAGS, "convert_atc.sh")


def test_an_undocumented_argument_is_a_bug_here() -> None:
    """The check of arguments reads the script, not its text."""
    check_arguments(
        "# rknn.config(wrong=1)\nrknn.config(float_dtype='float16')", "rknn.config", rknn.CONFIG, "file"
    )
    with pytest.raises(InternalError, match="did you mean 'target_platform'"):
        check_arguments("rknn.config(target_plattform='a')", "rknn.config", rknn.CONFIG, "file")


def test_options_of_qnn_are_those_that_ran(tmp_path: Path) -> None:
    """The session file has the documented keys; another one is refused."""
    folder = tmp_path / "my build"
    built("qnn", folder)
    options = json.loads((folder / "qnn_session.json").read_text())
    check_keys(options, qnn.KEYS, "qnn_session.json")
    with pytest.raises(InternalError, match=r"provider\.soc"):
        check_keys({"provider": {"soc": "43"}}, qnn.KEYS, "qnn_session.json")
    assert known("a") == {"a": None}
