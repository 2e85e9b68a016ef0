"""A finished graph computes what the specialized one computes, and its files are what toolchains read."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import yaml

from specialize import targets
from specialize.errors import InternalError, UsageError
from specialize.graph.folding import evaluate
from specialize.lowering.attention import FORMS, runnable
from specialize.targets.attributes import NearestMode
from specialize.targets.base import BuildFacts, Quirk
from specialize.targets.config_keys import check_keys, known
from specialize.targets.conformance import check
from specialize.targets.coordinates import coordinate_branches
from specialize.targets.limits import CastTo
from specialize.targets.lower import QUIRKS, file_facts, finish, runnable_copy
from specialize.targets.render import c_name
from tests.graphs import GraphMaker, assert_annotations_true, operators, random_feeds, run
from tests.targets.graphs import FACTS, attention_block

CUSTOM_FORMS = [(name, form) for name in targets.TARGETS for form in targets.target(name).TOOLCHAIN.forms]


def compare(before: ir.Model, after: ir.Model) -> None:
    """Check that two graphs compute the same."""
    feeds = random_feeds(ir.to_proto(before))
    wanted, got = run(before, feeds), run(after, feeds)
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_allclose(got[name], array, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_target_computes_the_same(name: str, tmp_path: Path) -> None:
    """For every target: lowered, checked by ONNX, run (custom operators by their definition), and equal."""
    original, model = attention_block(), attention_block()
    done = finish(model, name, tmp_path, FACTS)
    toolchain = targets.target(name).TOOLCHAIN
    assert model.graph.opset_imports[""] <= toolchain.opset
    assert done.conformance.of("refused") == ()
    assert set(toolchain.files) <= set(done.files)
    assert all((tmp_path / file).is_file() for file in done.files)
    copy, imports = runnable_copy(model), dict(model.graph.opset_imports)
    without_domain = any(node.op_type.endswith("TRT") for node in model.graph)  # as its makers want it
    onnx.checker.check_model(ir.to_proto(copy if without_domain else model))
    assert done.runnable == (operators(copy) == operators(model) and copy.graph.opset_imports == imports)
    compare(original, copy)
    assert_annotations_true(copy, random_feeds(ir.to_proto(copy)))


@pytest.mark.parametrize(("name", "form"), CUSTOM_FORMS)
def test_further_forms(name: str, form: str, tmp_path: Path) -> None:
    """Every further form that a target takes is written on demand, and computes the same."""
    original, model = attention_block(), attention_block()
    finish(model, name, tmp_path, FACTS, form)
    compare(original, runnable_copy(model))


def test_a_form_that_a_target_does_not_take() -> None:
    """A custom operator of another vendor is refused."""
    with pytest.raises(UsageError, match="one of points-first"):
        finish(attention_block(), "openvino", Path(), FACTS, "denglin")
    assert "denglin" in FORMS


def test_opset_11_has_no_newer_operator(tmp_path: Path) -> None:
    """For Denglin nothing is left of LayerNormalization, GridSample or sums with axes as an input."""
    model = attention_block()
    finish(model, "denglin", tmp_path, FACTS)
    found = operators(model)
    assert found["MultiScaleDeformableAttnFunction"] == 1
    assert not {"LayerNormalization", "GridSample", "DeformConv"} & set(found)
    assert model.graph.opset_imports == {"": 11, "DL": 1}


def test_horizon_gets_its_own_grid_sample(tmp_path: Path) -> None:
    """For Horizon J5 every GridSample, that of attention and that of a rotation, is the vendor's."""
    model = attention_block()
    finish(model, "horizon_j5", tmp_path, FACTS)
    domains = {node.domain for node in model.graph if node.op_type == "GridSample"}
    assert domains == {"horizon"}


@pytest.mark.parametrize("named", [{"mode": "linear", "align_corners": 1}, {}])
def test_what_horizon_gets_is_spelled_out(named: dict[str, str | int], tmp_path: Path) -> None:
    """Mode, border and alignment are written as in the vendor's exporter, whatever the model's opset calls them."""
    g = GraphMaker(20)
    proto = g.model(
        out=g.op("GridSample", g.input("x", (1, 2, 4, 5)), g.input("grid", (1, 3, 3, 2)), **named)
    )
    model = ir.from_proto(proto)
    evaluate(model)
    finish(model, "horizon_j5", tmp_path, FACTS)
    (node,) = (node for node in model.graph if node.domain == "horizon")
    assert {name: attr.value for name, attr in node.attributes.items()} == {
        "mode": "bilinear", "padding_mode": "zeros", "align_corners": 0,
    } | {name: value for name, value in named.items() if name != "mode"}  # fmt: skip
    compare(ir.from_proto(proto), runnable_copy(model))
    runnable(model)
    compare(ir.from_proto(proto), model)


def test_the_coordinate_branch_starts_at_the_projection() -> None:
    """The branch that must not be quantized goes from the projection to offsets to the grid, and no further."""
    model = attention_block()
    (branch,) = coordinate_branches(model)
    by_name = {node.name: node for node in model.graph}
    kinds = [by_name[name].op_type for name in branch.nodes]
    assert kinds.count("MatMul") == 1 and "Softmax" not in kinds
    assert len(branch.starts) == 1
    sample = next(node for node in model.graph if node.op_type == "GridSample" and node.inputs[1].producer())
    assert branch.end == sample.inputs[1].name


@pytest.mark.parametrize("name", targets.TARGETS)
def test_scripts_are_valid(name: str, tmp_path: Path) -> None:
    """Python files parse and pass the linter, shell scripts parse, JSON and YAML read, the header compiles."""
    finish(attention_block(), name, tmp_path, FACTS)
    for path in tmp_path.iterdir():
        text = path.read_text() if path.is_file() else ""
        assert "{{" not in text and "{%" not in text
        if path.suffix == ".py":
            ast.parse(text)
            lint = [
                sys.executable,
                "-m",
                "ruff",
                "check",
                "--isolated",
                "--line-length",
                "120",
                "--select",
                "E,F,W",
            ]
            ran = subprocess.run([*lint, path], capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stdout
        elif path.suffix == ".sh":
            assert subprocess.run(["sh", "-n", path], check=False).returncode == 0
            if shutil.which("shellcheck"):
                ran = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False)
                assert ran.returncode == 0, ran.stdout
        elif path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".yaml":
            yaml.safe_load(text)
        elif path.suffix == ".h" and shutil.which("cc"):
            compile_ = ["cc", "-x", "c", "-fsyntax-only", "-Wall", "-Werror"]
            ran = subprocess.run([*compile_, path], capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr


def test_header_carries_the_tie(tmp_path: Path) -> None:
    """The header names vehicle, digests, lengths and shapes, quoted for C."""
    finish(attention_block(), "tvm", tmp_path, FACTS)
    text = (tmp_path / "specialize_model.h").read_text()
    for part in (
        "#define SPECIALIZE_VEHICLE \"van 'quoted' 12\"", '#define SPECIALIZE_PROFILE "sha256:ab"',
        "#define SPECIALIZE_SITE_0_LENGTHS { 3, 2 }", "#define SPECIALIZE_SITE_1_ROWS 8",
        "#define SPECIALIZE_INPUT_QUERY_SHAPE { 2, 6, 8 }", "#define SPECIALIZE_INPUT_QUERY_BYTES 384",
    ):  # fmt: skip
        assert part in text
    assert c_name("2.conv/out") == "_2_CONV_OUT"


def test_pulsar2_keeps_coordinates_at_16_bits(tmp_path: Path) -> None:
    """Pulsar2's configuration names the branch, every input, and a file per table of the vehicle."""
    model = attention_block()
    gather = next(node for node in model.graph if node.op_type == "Gather")
    gather.metadata_props["specialize.pass"] = "compact"
    gather.inputs[1].name = "specialize/site/table0"
    index = np.arange(100) % 6
    gather.inputs[1].const_value = ir.tensor(index)
    gather.inputs[1].shape, gather.outputs[0].shape = ir.Shape([100]), ir.Shape([2, 100, 8])
    model.graph.outputs[0].shape = ir.Shape([2, 100, 8])
    finish(model, "axera", tmp_path, FACTS)
    config = json.loads((tmp_path / "config.json").read_text())
    (branch,), (layer,) = coordinate_branches(model), config["quant"]["layer_configs"]
    assert layer == {
        "start_tensor_names": list(branch.starts), "end_tensor_names": [branch.end], "data_type": "U16",
    }  # fmt: skip
    assert [each["tensor_name"] for each in config["quant"]["input_configs"]] == ["query", "value", "earlier"]
    (table,) = config["const_processors"]
    assert table["name"] == "specialize/site/table0"
    np.testing.assert_array_equal(np.load(tmp_path / table["data_path"]), index)


def test_horizon_files_list_every_input(tmp_path: Path) -> None:
    """hb_mapper and hb_compile get one entry per input, in order, and int16 for the coordinate branch."""
    model = attention_block()
    finish(model, "horizon_j6", tmp_path, FACTS)
    config = yaml.safe_load((tmp_path / "hb_compile.yaml").read_text())
    assert config["input_parameters"]["input_name"] == "query;value;earlier"
    assert config["input_parameters"]["input_shape"] == "2x6x8;2x15x8;1x4x5x5"
    quant = json.loads((tmp_path / "quant_config.json").read_text())
    names = {node.name for node in model.graph}
    assert quant["node_config"] and set(quant["node_config"]) <= names
    assert {kind for each in quant["node_config"].values() for kind in each.values()} == {"int16"}


def test_an_undocumented_key_is_a_bug_here() -> None:
    """The check of keys names place and key, also inside lists."""
    keys = known("input", quant=known("device", layers=known("name")))
    check_keys({"input": 1, "quant": {"device": 2, "layers": [{"name": 3}]}}, keys, "config")
    with pytest.raises(InternalError, match=r"(?s)config\.quant\.layers\[1\]\.nam: .*did you mean 'name'"):
        check_keys({"quant": {"layers": [{"name": 1}, {"nam": 2}]}}, keys, "config")


def test_files_depend_on_nothing_but_the_graph(tmp_path: Path) -> None:
    """The same graph gives the same files, byte by byte."""
    for name in targets.TARGETS:
        model = attention_block()
        facts = file_facts(model, check(model, targets.target(name).TOOLCHAIN), BuildFacts(vehicle="v"))
        assert targets.target(name).files(facts) == targets.target(name).files(facts)


def test_every_quirk_has_a_rule_and_a_toolchain() -> None:
    """None is known by name alone, and limits that a rule exists for are quirks of the toolchain that has them."""
    toolchains = [targets.target(name).TOOLCHAIN for name in targets.TARGETS]
    assert (
        set(QUIRKS)
        == set(get_args(Quirk))
        == {quirk for toolchain in toolchains for quirk in toolchain.quirks}
    )
    for toolchain in toolchains:
        limits = [limit for rule in toolchain.operators.values() for limit in rule.limits]
        halves = any(isinstance(limit, NearestMode) for limit in limits)
        bools = any(isinstance(limit, CastTo) and not limit.from_bool for limit in limits)
        assert ("half pixels" in toolchain.quirks, "choices for bools" in toolchain.quirks) == (halves, bools)
