"""Files of targets use documented keys and options only, and do what they say when they are run."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx_ir as ir
import pytest

from specialize.errors import InputError, InternalError
from specialize.graph.io import write_graph
from specialize.targets import ascend, horizon_j5, qnn, rknn, tensorrt
from specialize.targets.base import TensorFacts
from specialize.targets.config_keys import check_arguments, check_flags, check_keys, known
from specialize.targets.conformance import check
from specialize.targets.lower import file_facts, finish
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
    """The converter is given every input's shape, and the chip that is named on the command line."""
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


def test_hb_mapper_is_told_node_by_node(tmp_path: Path) -> None:
    """Softmax on four axes is asked for on the BPU, coordinates in int16, and nothing that the CPU computes."""
    import yaml

    folder = tmp_path / "my build"
    model = built("horizon_j5", folder)
    named = yaml.safe_load((folder / "hb_mapper.yaml").read_text())["model_parameters"]["node_info"]
    found = [node for node in model.graph if node.op_type == "Softmax"]
    assert (
        [name for name, asked in named.items() if asked == {"ON": "BPU"}]
        == [node.name for node in found]
        != []
    )
    assert all(len(node.outputs[0].shape or ()) == 4 for node in found)
    facts = file_facts(model, check(model, horizon_j5.TOOLCHAIN), FACTS)
    int16 = {"ON": "BPU", "InputType": "int16", "OutputType": "int16"}
    assert [name for name, asked in named.items() if asked == int16] == [
        name for name in facts.coordinates if name in facts.allowed
    ] != []  # fmt: skip
    assert not set(named) - facts.allowed
    (sampler,) = facts.samplers
    assert named[sampler] == {"ON": "BPU", "InputType1": "int16"}


@pytest.mark.parametrize(("target", "file"), [("horizon_j6", "quant_config.json"), ("axera", "config.json")])
def test_names_do_not_look_like_comments(target: str, file: str, tmp_path: Path) -> None:
    """Compilers that take comments out of JSON before they read it leave names with slashes and stars whole."""
    folder = tmp_path / "build"
    folder.mkdir()
    model = attention_block()
    for node in model.graph:
        node.name = f"specialize//encoder///*layers.0*/{node.name}"
        node.outputs[0].name = f"//{node.outputs[0].name}" if not node.outputs[0].is_graph_output() else "out"
        for value in node.outputs[:1]:
            value.name = value.name if value.is_graph_output() else f"//a/*b*/{value.name}"
    finish(model, target, folder, FACTS)
    text = (folder / file).read_text()
    bare = re.sub(r"/\*.*?\*/", "", re.sub(r"//.*", "", text), flags=re.DOTALL)
    assert json.loads(bare) == json.loads(text)
    assert "encoder///*layers" in json.dumps(json.loads(text)) or target == "axera"


def test_the_grid_has_16_bits_where_it_is_read(tmp_path: Path) -> None:
    """hb_compile is given the types of inputs: of what computes locations, and of the GridSample that reads them."""
    folder = tmp_path / "my build"
    model = built("horizon_j6", folder)
    named = json.loads((folder / "quant_config.json").read_text())["node_config"]
    (sampler,) = [node for node in model.graph if node.op_type == "GridSample" and node.inputs[1].producer()]  # type: ignore[union-attr]
    assert named.pop(sampler.name) == {"input1": "int16"}
    assert named and all(asked == {"qtype": "int16"} for asked in named.values())


def odd(folder: Path, target: str, *names: str) -> None:
    """Write the files of a target for a model whose outputs have these names, for a vehicle with a name as odd."""
    folder.mkdir()
    model = attention_block()
    for value, name in zip([*model.graph.outputs, *model.graph.inputs], names, strict=False):
        value.name = name
    facts = dataclasses.replace(
        FACTS, vehicle="a b'c\"; rm -rf $(pwd) `pwd`\n??/ \\ \u5c0f \U0001f600", mode="tables"
    )
    finish(model, target, folder, facts)


@pytest.mark.parametrize(
    "names",
    [("bev", "Bev"), ("bev_type", "bev"), ("bev", "bev_2", "s", "S"), ("\u5c0f", "\u5927", "a b", "a.b")],
)
def test_names_that_c_cannot_tell_apart(names: tuple[str, ...], tmp_path: Path) -> None:
    """Every name and text of the header is defined once and compiles when it is used, whatever it is in the model."""
    odd(tmp_path / "build", "tvm", *names)
    text = (tmp_path / "build" / "specialize_model.h").read_text()
    defined = [line.split()[1] for line in text.splitlines() if line.startswith("#define")]
    assert len(defined) == len(set(defined))
    if not shutil.which("cc"):
        pytest.skip("there is no compiler of C")
    texts = [name for name in defined if name.endswith("_TYPE") or name == "SPECIALIZE_VEHICLE"]
    source = tmp_path / "use.c"
    body = "\n".join(f"const char *text{number} = {name};" for number, name in enumerate(texts))
    source.write_text(f'#include "build/specialize_model.h"\n{body}\n')
    for standard in ("c99", "c17"):
        line = ["cc", f"-std={standard}", "-pedantic", "-Wall", "-Werror", "-fsyntax-only", source]
        ran = subprocess.run(line, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("target", ["axera", "ascend", "horizon_j5", "horizon_j6"])
def test_a_name_that_is_taken_for_two(target: str, tmp_path: Path) -> None:
    """Where a file joins names with a semicolon, a name that has one is refused, and said which."""
    with pytest.raises(InputError, match=r"(?s)input 'query;2'.*without ';'.*when the model is exported"):
        odd(tmp_path / "build", target, "out", "turned", "query;2")


def test_comments_say_what_the_model_is_valid_for(tmp_path: Path) -> None:
    """An engine with tables is not said to be for one calibration."""
    odd(tmp_path / "build", "horizon_j6")
    for file in ("hb_compile.yaml", "specialize_model.h"):
        text = (tmp_path / "build" / file).read_text()
        assert "its tables are inputs" in text and "one calibration" not in text


@pytest.mark.parametrize(
    ("target", "precision", "flags"),
    [
        ("tensorrt", "float32", {"--fp16"}),
        ("tensorrt", "fp16", {"--stronglyTyped"}),
        ("tensorrt", "int8", {"--stronglyTyped"}),
        ("tensorrt_derryhub", "fp16", {"--fp16"}),
        ("tensorrt_derryhub", "int8", {"--fp16", "--int8"}),
    ],
)
def test_trtexec_gets_the_precision(target: str, precision: str, flags: set[str], tmp_path: Path) -> None:
    """A quantized model is not compiled without int8, and a converted one has the types that it says."""
    (tmp_path / "build").mkdir()
    finish(attention_block(), target, tmp_path / "build", dataclasses.replace(FACTS, precision=precision))
    words = (tmp_path / "build" / "build_engine.sh").read_text().split()
    assert set(words) & {"--fp16", "--int8", "--stronglyTyped"} == flags


@pytest.mark.parametrize(
    ("dtype", "width"),
    [("float64", 8), ("bfloat16", 2), ("uint64", 8), ("uint16", 2), ("bool", 1), ("float32", 4)],
)
def test_bytes_of_a_tensor(dtype: str, width: int) -> None:
    """Every type has its own width."""
    assert TensorFacts(name="x", dtype=dtype, shape=(2, 3)).bytes == 6 * width


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
