"""The cells of lifted points are found in a model, and a program that cuts them otherwise is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.binding import table_inputs as tables
from specialize.binding.relink import proof
from specialize.binding.relink import run as numpy_twin
from specialize.binding.relink.pool_ways import renumbered
from specialize.binding.relink.pools import blocks_of
from specialize.binding.relink.program import Unary
from specialize.binding.table_inputs import program_of
from specialize.binding.table_program import BEVPOOL, OWN_TABLE, RELINK, linked, read_link
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.build import build
from specialize.model.spec import ModelSpec
from specialize.request import BuildRequest
from specialize.rows.block_sums import blocks_needed, cut
from specialize.witness.frustum import Landing
from tests.binding.relink.bevdet import write_bevdet
from tests.cli.running import CAR42, CAR43
from tests.end_to_end.tiny_lift import SPEC, write_lift


@pytest.mark.parametrize("spread", [3, 40, 400])
def test_blocks_are_those_of_the_compiler(spread: int) -> None:
    """The first level is the compiler's; a cell's sums are its blocks, or sums of them."""
    random = np.random.default_rng(spread)
    owner = random.integers(-spread, spread, 3000)
    owner[owner < 0] = -1
    points = np.flatnonzero(owner >= 0)
    points = points[np.argsort(owner[points], kind="stable")]
    levels = tuple(each + 3 for each in blocks_needed(np.bincount(owner[points], minlength=spread)))
    made = blocks_of(owner, spread, levels)
    first = cut(owner[points], levels[0])
    np.testing.assert_array_equal(made.places[0], points[first.entries])
    np.testing.assert_array_equal(made.filled[0], first.filled)
    numbers = [np.where(first.filled, 1, 0).reshape(-1, 8).sum(1)]
    for places, filled in zip(made.places[1:], made.filled[1:], strict=True):
        numbers.append((numbers[-1][places] * filled).reshape(-1, 8).sum(1))
    sums = np.concatenate([*numbers, [0]])[made.cells].sum(1)
    np.testing.assert_array_equal(sums, np.bincount(owner[points], minlength=spread))


def test_rows_are_numbered_by_some_axes() -> None:
    """Any order of any axes, against numpy's own numbering."""
    sizes, points = (2, 3, 4, 5), np.arange(120)
    parts = np.unravel_index(points, sizes)
    for order in ((0, 1, 2, 3), (0, 2, 3), (0, 2, 3, 1), (3, 1), (2,), (1, 2, 0)):
        wanted = np.ravel_multi_index([parts[axis] for axis in order], [sizes[axis] for axis in order])
        np.testing.assert_array_equal(renumbered(points, sizes, order), wanted)


def undeclared() -> str:
    """Return the sidecar of the tiny model without its frustum."""
    return msgspec.structs.replace(SPEC, frustum=None).to_text()


@pytest.mark.parametrize("declared", [True, False])
def test_a_program_that_cuts_otherwise_is_none(
    declared: bool, tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding up instead of down puts points into other cells than rounding can: the build says so.

    Without a declared frustum it is not known which points rounding decides, and none may differ.
    """
    model = write_lift(tmp_path / "model")
    if not declared:
        model.with_suffix(".model.yaml").write_text(undeclared())
    monkeypatch.setitem(numpy_twin._UNARY, Unary.FLOOR, lambda x, dtype: np.ceil(x))
    build(BuildRequest(calib=CAR42, model=str(model), mode="tables", output=tmp_path / "b", frames=1))
    said = json.loads((tmp_path / "b" / "manifest.json").read_text())["options"]["tables"]["relink"]
    assert "points that the program computes differently from the graph" in said["declined"]
    assert ("no declared frustum" in said["declined"]) is not declared


def test_bevdet_has_a_program(tmp_path: Path, store_dir: Path) -> None:
    """Rotations, translations and intrinsics apart, inverted in the graph; cells along z, y and x: as the compiler."""
    model = write_bevdet(tmp_path / "model")
    build(BuildRequest(calib=CAR42, model=str(model), mode="tables", output=tmp_path / "b", frames=1))
    program = program_of(Build.open(tmp_path / "b"))
    assert program.link is not None, program.declined
    assert (tmp_path / "b" / BEVPOOL).exists()
    for calib in (CAR42, CAR43):
        profile = load_profile(calib)
        compiled = replace(program, link=None).contents(profile)
        for name, table in program.contents(profile).items():
            np.testing.assert_array_equal(table, compiled[name], err_msg=name)


def test_an_engine_is_proven_with_the_cells_of_its_graph(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rounding may move points, here any point anywhere, the build's own table is the compiler's.

    With the program's, one of whose points is in another cell, sums would differ from the original's.
    """
    honest = proof.landings_of

    def doubtful(spec: ModelSpec, profile: CalibrationProfile, cells: int) -> list[Landing]:
        (landing,) = honest(spec, profile, cells)
        return [replace(landing, doubtful=np.ones_like(landing.doubtful))]

    monkeypatch.setattr(proof, "landings_of", doubtful)
    monkeypatch.setattr(tables, "require_bevpool", lambda *_: None)  # those are wrong here, and told
    monkeypatch.setitem(numpy_twin._UNARY, Unary.FLOOR, lambda x, dtype: np.ceil(x))
    model = write_lift(tmp_path / "model")
    build(BuildRequest(calib=CAR42, model=str(model), mode="tables", output=tmp_path / "b", frames=1))
    profile = load_profile(CAR42)
    own, _ = read_tensors(tmp_path / "b" / OWN_TABLE)
    program = linked(read_link(tmp_path / "b" / RELINK), profile, profile.camera_names())
    compiled = replace(program_of(Build.open(tmp_path / "b")), link=None).contents(profile)
    assert all(np.array_equal(own[name], compiled[name]) for name in own)
    assert not np.array_equal(own["table.cells0"], program["table.cells0"])


def test_a_model_without_a_frustum_has_a_program(tmp_path: Path, store_dir: Path) -> None:
    """Where program and graph agree on every point of every vehicle, no frustum is needed."""
    model = write_lift(tmp_path / "model")
    model.with_suffix(".model.yaml").write_text(undeclared())
    build(BuildRequest(calib=CAR42, model=str(model), mode="tables", output=tmp_path / "b", frames=1))
    said = json.loads((tmp_path / "b" / "manifest.json").read_text())["options"]["tables"]["relink"]
    assert "file" in said, said
