"""Sidecars that lie, repeat themselves or never end: each is one error that names the place."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from specialize.errors import InputError
from specialize.model.parts import InputRule
from specialize.model.spec import ModelSpec, parse_spec, read_spec
from specialize.verify.frames import TensorInfo, make_frames
from tests.calibration.test_document import bomb
from tests.cli.running import run_here
from tests.end_to_end.tiny_model import SPEC, write_tiny

HEAD = "schema: specialize/model@1\n"
REST = "image: {size_px: [8, 8]}\ncalibration_inputs: {lidar2img: lidar2img}\n"
WHOLE = HEAD + REST

WRONG = {
    "nested deeply": (WHOLE + "other_inputs: {a: " + "[" * 3000 + "]" * 3000 + "}", "16 levels of nesting"),
    "nested beyond a depth that numpy takes": (
        WHOLE + "other_inputs: {a: " + "[" * 200 + "]" * 200 + "}",
        "16 levels of nesting",
    ),
    "an alias to itself": (WHOLE + "other_inputs: {a: &a [*a]}", "an alias of a finished anchor"),
    "an alias bomb": (WHOLE + bomb(9), "at most 50000 values"),
    "a key twice": (WHOLE + "name: a\nname: b\n", "the key 'name' once"),
    "a tag": (WHOLE + "name: !!python/name:os.system x", "plain values without tags"),
    "two documents": (WHOLE + "---\n" + WHOLE, "one YAML document"),
    "a list": ("- 1", "list"),
    "nothing": ("", "NoneType"),
    "a huge image": (HEAD + REST.replace("[8, 8]", "[1e20, 8]"), "size_px[0]"),
    "an image of no number": (HEAD + REST.replace("[8, 8]", "[.nan, 8]"), "image.size_px"),
    "an endless image": (HEAD + REST.replace("[8, 8]", "[.inf, 8]"), "image.size_px"),
    "a scale of no number": (HEAD + REST.replace("[8, 8]", "[8, 8], scale: .nan"), "scale: expected"),
    "a crop of no number": (
        HEAD + REST.replace("[8, 8]", "[8, 8], crop_px: [.nan, 0]"),
        "crop_px: expected",
    ),
    "a huge image of whole pixels": (HEAD + REST.replace("[8, 8]", "[100000, 8]"), "size_px: expected"),
    "a huge grid": (WHOLE + f"grids: [{{shape: [{2**62}, 4], range_m: [0, 0, 0, 1, 1, 1]}}]", "shape[0]"),
    "a grid of too many cells": (
        WHOLE + "grids: [{shape: [100000, 100000], range_m: [0, 0, 0, 1, 1, 1]}]",
        "points",
    ),
    "a grid of too many anchors": (
        WHOLE + "grids: [{shape: [4, 4], anchors: 100000000000000000, range_m: [0, 0, 0, 1, 1, 1]}]",
        "points",
    ),
    "a grid of no anchors": (
        WHOLE + "grids: [{shape: [4, 4], anchors: 0, range_m: [0, 0, 0, 1, 1, 1]}]",
        "anchors",
    ),
    "an endless range": (WHOLE + "grids: [{shape: [4, 4], range_m: [0, 0, 0, .inf, 1, 1]}]", "range_m"),
    "a range from high to low": (WHOLE + "grids: [{shape: [4, 4], range_m: [9, 0, 0, 1, 1, 1]}]", "range_m"),
    "a depth of no number": (WHOLE + "rule: {min_depth_m: .nan}", "min_depth_m"),
    "a depth below zero": (WHOLE + "rule: {min_depth_m: -1.0}", "min_depth_m"),
    "ragged numbers": (WHOLE + "other_inputs: {a: [[1, 2], [3]]}", "other_inputs.a"),
    "text as a constant": (WHOLE + "other_inputs: {a: [x, y]}", "other_inputs.a"),
    "nothing as a constant": (WHOLE + "other_inputs: {a: null}", "other_inputs.a"),
    "a mapping as a constant": (WHOLE + "other_inputs: {a: {b: 1}}", "other_inputs.a"),
    "no number as a constant": (WHOLE + "other_inputs: {a: [.nan, 1]}", "other_inputs.a"),
    "low above high": (WHOLE + "inputs: {a: {low: 2, high: 1}}", "low"),
    "a rule of no number": (WHOLE + "inputs: {a: {scale: .nan}}", "scale"),
    "an endless rule": (WHOLE + "inputs: {a: {offset: .inf}}", "offset"),
    "an endless bound": (WHOLE + "inputs: {a: {high: .inf}}", "high"),
    "values of no number": (WHOLE + "inputs: {a: {values: [1, .nan]}}", "values"),
    "numbers beyond float32": (WHOLE + "inputs: {a: {scale: 1e39}}", "scale"),
    "an escape in a name": (WHOLE + 'name: "a\\e[2Jb"', "name"),
    "an escape in a camera": (WHOLE + 'cameras: ["a\\e]0;title\\a"]', "cameras[0]"),
    "an escape in an input": (
        HEAD + 'image: {size_px: [8, 8]}\ncalibration_inputs: {"\\e[1m": lidar2img}',
        "calib",
    ),
    "no calibration input of text": (
        HEAD + "image: {size_px: [8, 8]}\ncalibration_inputs: [1]",
        "calibration_inputs",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_sidecar_that_lies_is_refused(name: str) -> None:
    """One error, that names the file and the key or line."""
    text, said = WRONG[name]
    with pytest.raises(InputError) as caught:
        parse_spec(text, "m.model.yaml").constants()
    assert str(caught.value).startswith("m.model.yaml: ")
    assert said in str(caught.value)


def test_a_sidecar_of_100_megabytes_is_refused_unread(tmp_path: Path) -> None:
    """No more is read than the limit and one byte."""
    path = tmp_path / "m.model.yaml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(InputError, match="expected at most 1048576 bytes, got 104857600 bytes"):
        read_spec(path)


def test_a_command_says_where_a_sidecar_lies(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of an error which the user can fix."""
    model = write_tiny(tmp_path)
    sidecar = model.with_suffix(".model.yaml")
    sidecar.write_text(sidecar.read_text().replace("size_px: [800, 450]", "size_px: [100000000000, 450]"))
    ran = run_here(
        capsys, "build", "--calib", "calib_profiles/car42.yaml", "--model", model, "-o", tmp_path / "b"
    )
    assert ran.code == 1
    assert "size_px: expected" in ran.err


NAMES = ("1e5", "no", "010", "~", "1:30", "a: b", "2020-01-01", "ä", "-", "''", "0x10", "1_0", ".5", "null")


@pytest.mark.parametrize("name", NAMES)
def test_names_that_look_like_numbers_are_read_back(name: str) -> None:
    """What `to_text` writes `parse_spec` reads, also where YAML 1.1 and 1.2 differ about a word."""
    spec = ModelSpec(
        name=name,
        image=SPEC.image,
        calibration_inputs={name: "lidar2img"},
        cameras=(name,),
        other_inputs={"a": [1.0, math.inf, 1e-300], "b": 3, "c": True},
        inputs={name: InputRule(scale=1e-7, low=0.1 + 0.2)},
    )
    again = parse_spec(spec.to_text(), "s")
    assert again == spec
    assert again.constants()["b"].dtype == np.int64


@pytest.mark.parametrize(
    ("dtype", "rule", "said"),
    [
        ("int32", InputRule(low=5.0), "`low` of at most `high`"),
        ("int32", InputRule(high=1e30), "whole numbers of int32, got 1e+30"),
        ("uint64", InputRule(high=2.0**63), "whole numbers of uint64"),
        ("uint8", InputRule(values=(300.0,)), "whole numbers of uint8, got 300.0"),
        ("int64", InputRule(values=(0.5,)), "whole numbers of int64, got 0.5"),
        ("bool", InputRule(values=(2.0,)), "whole numbers of bool"),
        ("float16", InputRule(values=(1e6,)), "numbers of float16, at most 65504"),
    ],
)
def test_a_rule_that_its_input_cannot_hold_is_refused(dtype: str, rule: InputRule, said: str) -> None:
    """Verification makes no number that would be rounded or wrapped."""
    with pytest.raises(InputError, match="sidecar: inputs: a: expected ") as caught:
        make_frames({"a": TensorInfo((2,), dtype)}, {"a": rule})
    assert said in str(caught.value)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float16", "float32", "float64"])
@pytest.mark.parametrize("rule", [InputRule(), InputRule(values=(0.0, 1.0)), InputRule(low=0.0, high=1.0)])
def test_a_rule_that_its_input_can_hold_is_followed(dtype: str, rule: InputRule) -> None:
    """Every frame has the type of the input."""
    frames = make_frames({"a": TensorInfo((2,), dtype)}, {"a": rule}, count=2)
    assert {frame["a"].dtype.name for frame in frames} == {dtype}
