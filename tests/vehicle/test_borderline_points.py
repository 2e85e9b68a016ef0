"""Lifted points within rounding of a cell's border are named, on workstation and car, with the cell of the tables."""

from __future__ import annotations

import ctypes
import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.binding import borderline
from specialize.binding.borderline import borderline_points
from specialize.binding.outcome import BorderlinePoint, TableOutcome
from specialize.binding.relink import landing
from specialize.binding.relink.landing import land
from specialize.binding.relink.program import Op
from specialize.binding.relink.proof import landing_of
from specialize.binding.table_program import BEVPOOL, RELINK, read_link, table_options
from specialize.binding.witnessed.tables import Recipe
from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.cli.output import to_text
from specialize.cli.render_table import table_text
from specialize.model.spec import ModelSpec
from specialize.text.record import from_json
from specialize.vehicle.contract import parse_contract
from specialize.vehicle.expect import contract_of
from specialize.vehicle.packing import pack
from specialize.vehicle.words import Reason
from specialize.witness import frustum as witness
from specialize.witness.pooling import points_of, read_places
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_lift import COLUMNS, DEPTHS, ROWS, SPEC
from tests.vehicle import compiling, linking
from tests.vehicle.linking import Linker, vehicles

SIZES = (6, DEPTHS, ROWS, COLUMNS)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return what runs programs in C++."""
    return linking.compiled(tmp_path_factory.mktemp("relink"))


def respelled(**changes: object) -> ModelSpec:
    """Return the model with another frustum."""
    assert SPEC.frustum is not None
    return structs.replace(SPEC, frustum=structs.replace(SPEC.frustum, **changes))


def moved(profile: CalibrationProfile, by_m: float) -> CalibrationProfile:
    """Return a vehicle whose front camera stands farther along x of the lidar's frame."""
    front, *others = profile.cameras
    assert front.intrinsic is not None
    assert front.camera_from_lidar is not None
    pose = np.array(front.camera_from_lidar)
    pose[:3, 3] -= pose[:3, 0] * by_m
    at = Camera.pinhole(front.name, (front.width_px, front.height_px), front.intrinsic, pose)
    return CalibrationProfile("border", (at, *others), profile.ego_from_lidar)


def on_the_border() -> tuple[CalibrationProfile, float, tuple[int, ...]]:
    """Return car42 with a point of the front camera between two cells along x, how far that moved, and the point."""
    own = load_profile(CAR42)
    landed = land(SPEC, own)
    assert landed is not None
    cells = landed.cells.reshape(SIZES)
    point = tuple(int(number) for number in np.argwhere(cells[:1] >= 0)[20])
    low, high = 0.0, 4.0  # cells are 4 m wide
    for _ in range(60):
        middle = (low + high) / 2
        there = land(SPEC, moved(own, middle))
        assert there is not None
        same = there.cells.reshape(SIZES)[point] == cells[point]
        low, high = (middle, high) if same else (low, middle)
    return moved(own, low), low, point


def tables_cells(build: Path, path: Path) -> np.ndarray:
    """Return the cell of every point (N, D, h, w) as the witness reads it from tables, -1 for none."""
    contents, _ = read_tensors(path)
    (reading,) = from_json(table_options(Build.open(build))["witness"], Recipe).pools
    cells = read_places(reading, contents, 56)
    assert not isinstance(cells, str)
    used = np.flatnonzero(cells >= 0)
    name, axes = next(each for each in reading.rows if len(each[1]) == 4)
    points = points_of(contents[name].reshape(-1).astype(np.int64)[used], axes, SIZES)
    assert points is not None
    found = np.full(int(np.prod(SIZES)), -1, np.int64)
    found[points] = cells[used]
    return found.reshape(SIZES)


def said(text: str) -> list[str]:
    """Return the lines about borders."""
    return [line.strip() for line in text.splitlines() if "rounding of" in line]


@pytest.mark.parametrize("share", [landing.SHARE, 2e-3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"frame": "ego", "cut": "toward_zero"},
        {"u_px": (3.5, 700.25), "v_px": (11.0, 400.0), "cells": (9, 5, 3)},
    ],
)
def test_points_land_where_the_witness_says(
    changes: dict[str, object], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same cells, and the same points within rounding, though no code is shared; few of them, and many."""
    monkeypatch.setattr(landing, "SHARE", share)
    monkeypatch.setattr(witness, "_ROUNDING", share)
    spec, doubtful = respelled(**changes), 0
    for profile in (load_profile(CAR42), on_the_border()[0], *vehicles(20, seed=70)):
        found, wanted = land(spec, profile), landing_of(spec, profile)
        assert found is not None and wanted is not None
        np.testing.assert_array_equal(found.doubtful, wanted.doubtful.reshape(-1))
        sure = ~found.doubtful
        np.testing.assert_array_equal(found.cells[sure], wanted.cell.reshape(-1)[sure])
        doubtful += int(found.doubtful.sum())
    assert doubtful > (1000 if share > 1e-5 else -1)


def test_a_point_on_the_border_is_named(
    pooled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both say point and cell, and that is the cell of the tables; on either side of the border."""
    compiling.gxx()
    own, (_, at, point) = load_profile(CAR42), on_the_border()
    tool, car, calib, table = (tmp_path / name for name in ("guard", "car", "c.yaml", "t.safetensors"))
    run_here(capsys, "vehicle", "tool", "-o", tool)
    run_here(capsys, "vehicle", "export", pooled, "-o", car)
    cells = set()
    for step in (-1e-5, 0.0, 1e-5):
        calib.write_text(dump_profile(moved(own, at + step)))
        (car / "today.bin").write_bytes(pack(load_profile(calib)).to_bytes())
        printed = run_here(capsys, "table", "--calib", calib, "--for", pooled, "-o", table)
        assert printed.code == 0, printed.err
        words = [tool, "relink", car / "contract.bin", car / "today.bin", "-o", tmp_path / "own"]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        (line,) = said(ran.stdout)
        assert " ".join(line.split()) in " ".join(printed.out.split())
        cell = int(tables_cells(pooled, table)[point])
        named = f"CAM_FRONT depth {point[1]} row {point[2]} column {point[3]} in cell {cell}"
        assert line.startswith("points within rounding of a cell's border: ") and named in line
        cells.add(cell)
    assert len(cells) == 2


def test_nothing_is_said_elsewhere(pooled: Path) -> None:
    """A calibration without such a point names none; nor does one without intrinsics."""
    program, own = read_link(pooled / RELINK), load_profile(CAR42)
    assert borderline_points(program, SPEC, own) == ()
    bare = tuple(
        Camera.projective(each.name, (each.width_px, each.height_px), each.image_from_lidar)
        for each in on_the_border()[0].cameras
    )
    profile = CalibrationProfile("bare", bare, own.ego_from_lidar)
    assert borderline_points(program, SPEC, profile) == ()


def rounding_more(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Let rounding move points farther, so that many are named."""
    monkeypatch.setattr(landing, "SHARE", share)


@pytest.mark.parametrize("name", [RELINK, BEVPOOL])
def test_both_name_the_same_points(
    pooled: Path, library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """On many vehicles every point and its cell, by the program of the tables and by that of the arrays."""
    rounding_more(monkeypatch, 2e-3)
    build, program = Build.open(pooled), read_link(pooled / name)
    contract = contract_of(build, build.calibration(), (pooled / name).read_bytes())
    assert parse_contract(contract.to_bytes()).frustum is not None
    linker = Linker(library, program, expected=contract)
    assert linker.reason is Reason.OK
    names, named, outside = build.manifest.cameras, 0, 0
    for profile in (build.calibration(), *vehicles(60, seed=700)):
        found = linker.points(profile)
        if isinstance(found, Reason):
            assert found is Reason.DOES_NOT_FIT
            continue
        points = borderline_points(program, SPEC, profile)
        wanted = [
            (
                names.index(each.camera),
                each.depth,
                each.row,
                each.column,
                -1 if each.cell is None else each.cell,
            )
            for each in points
        ]
        assert found == wanted
        assert all(each.kept == (each.cell is not None) for each in points)
        named, outside = named + len(found), outside + sum(each.cell is None for each in points)
    assert named > 500
    assert outside > 10


def test_a_program_that_pools_otherwise_is_not_asked(pooled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that counts other cells, or points in another order, it is not known where a point is added."""
    program, (profile, _, point) = read_link(pooled / RELINK), on_the_border()
    (own,) = borderline_points(program, SPEC, profile)
    assert (own.depth, own.row, own.column, own.kept) == (*point[1:], True)
    without = dataclasses.replace(
        program,
        instructions=tuple(each for each in program.instructions if each.op not in (Op.COUNT, Op.CUT)),
    )
    (unknown,) = borderline_points(without, SPEC, profile)
    assert (unknown.kept, unknown.cell, unknown.row) == (None, None, own.row)
    other = respelled(shape=(DEPTHS, COLUMNS, ROWS))  # as many points in another order
    assert {each.kept for each in borderline_points(program, other, profile)} <= {None}
    landed = land(other, profile)
    assert landed is not None
    assert borderline.cells_of(program, other, profile, landed) is None


def test_few_are_named() -> None:
    """Five are named, with the cell, or that the tables leave them out, or that this is not known."""
    points = tuple(
        BorderlinePoint(
            camera="A",
            depth=number,
            row=1,
            column=2,
            cell=(7, None, None)[number % 3],
            kept=(True, False, None)[number % 3],
        )
        for number in range(7)
    )
    outcome = TableOutcome(
        output=Path("t"), build_dir=Path("b"), vehicle="v", digests={"profile": "p" * 64, "build": "b" * 64},
        size=1, tensors={}, borderline_points=points,
    )  # fmt: skip
    assert said(to_text(table_text(outcome), 400)) == [
        "points within rounding of a cell's border: 7 (A depth 0 row 1 column 2 in cell 7, A depth 1 row 1 column 2 "
        "left out, A depth 2 row 1 column 2 undecided, A depth 3 row 1 column 2 in cell 7, A depth 4 row 1 column 2 "
        "left out, ...)"
    ]
