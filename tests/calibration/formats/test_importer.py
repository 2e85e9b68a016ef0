"""Formats by name, with options as text."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats import FORMATS
from specialize.calibration.formats.importer import description_of, options_of, read_format
from specialize.calibration.lint.expected import Expected
from specialize.calibration.lint.rules import lint
from specialize.calibration.load import dump_profile, load_profile
from specialize.errors import InputError, UsageError
from tests.calibration.formats.rigs import OTHER, real, write


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_states_its_frames_and_has_plain_options(name: str) -> None:
    """A module has a docstring with its pitfalls, and `read(path, ...)` with str, int or bool options."""
    text = description_of(name)
    assert "Pitfalls:" in text
    read = import_module(FORMATS[name]).read
    assert next(iter(inspect.signature(read).parameters)) == "path"
    for option, default in options_of(name).items():
        assert isinstance(default, str | int | bool), option
        assert f"{option}:" in (read.__doc__ or ""), option


def test_the_reference_page_lists_every_format() -> None:
    """docs/reference/formats.md has a row for every format, and none for another."""
    page = (Path(__file__).parents[3] / "docs/reference/formats.md").read_text(encoding="utf-8")
    rows = page.partition("| --- |")[2].partition("\n\n")[0].splitlines()
    assert [row.split("`")[1] for row in rows if row.startswith("| `")] == list(FORMATS)


def test_options_are_converted_and_unknown_ones_refused(tmp_path: Path) -> None:
    """Text becomes the option's type; a wrong name or value is a usage error."""
    assert options_of("mmdet3d")["index"] == 0
    with pytest.raises(UsageError, match="mmdet3d: option indx: expected a known option, got 'indx'"):
        read_format("mmdet3d", tmp_path, {"indx": "1"})
    with pytest.raises(UsageError, match="option index: expected a whole number, got 'one'"):
        read_format("mmdet3d", tmp_path, {"index": "one"})
    with pytest.raises(UsageError, match="option static: expected true or false, got 'maybe'"):
        read_format("mmdet3d", tmp_path, {"static": "maybe"})
    with pytest.raises(
        UsageError, match="expected a known format, got 'nuscene'\n\nhint: did you mean 'nuscenes'"
    ):
        read_format("nuscene", tmp_path, {})
    with pytest.raises(InputError, match="expected a pickle file, got a folder"):
        read_format("mmdet3d", tmp_path, {"static": "yes", "index": "3"})


def test_whatever_a_reader_trips_over_is_the_files_fault(tmp_path: Path) -> None:
    """Tables with records that lack keys raise our error, not a KeyError."""
    for name, records in {"sensor": [{"token": "s", "channel": "CAM"}], "calibrated_sensor": [{}]}.items():
        write(tmp_path / f"{name}.json", json.dumps(records))
    with pytest.raises(
        InputError, match="expected a well-formed nuscenes calibration, got KeyError: 'token'"
    ):
        read_format("nuscenes", tmp_path, {})


def test_an_imported_rig_is_written_linted_and_read_again(tmp_path: Path) -> None:
    """Import, write, load: one digest; and a real rig has nothing to complain about."""
    stored: list[Any] = [camera.raw["lidar2img"] for camera in real(OTHER).cameras]
    source = write(tmp_path / "calib.json", json.dumps({"lidar2img": stored}))
    profile = read_format("lidar2img", source, {"size": "1600x900", "vehicle": "n015"})
    path = write(tmp_path / "n015.yaml", dump_profile(profile))
    assert load_profile(path).digest == profile.digest
    assert load_profile(path).vehicle == "n015"
    assert lint(profile, Expected(cameras=tuple(real(OTHER).names()))) == ()
    np.testing.assert_array_equal(load_profile(path).image_from_lidar(), stored)
