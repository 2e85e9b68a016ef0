"""Pairs within rounding of an image border are named, on the workstation and on the car, with the side they fell on."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from specialize.artifact import Build
from specialize.binding.borderline import borderline_pairs
from specialize.binding.outcome import BorderlinePair, TableOutcome
from specialize.binding.table_program import RELINK, read_link
from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.cli.output import to_text
from specialize.cli.render_table import table_text
from specialize.model.visible import visible_sets
from specialize.vehicle.packing import pack
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import GRID, HEIGHT, SPEC, WIDTH
from tests.vehicle import compiling

FRONT = "CAM_FRONT"


def shifted(own: CalibrationProfile, by_px: float) -> CalibrationProfile:
    """Return a vehicle whose front camera has its principal point elsewhere along the image's rows."""
    camera = own.cameras[0]
    assert camera.name == FRONT
    assert camera.intrinsic is not None
    assert camera.camera_from_lidar is not None
    k = np.array(camera.intrinsic)
    k[0, 2] += by_px
    front = Camera.pinhole(camera.name, (camera.width_px, camera.height_px), k, camera.camera_from_lidar)
    return CalibrationProfile("border", (front, *own.cameras[1:]), own.ego_from_lidar)


def on_the_border() -> tuple[CalibrationProfile, float, int]:
    """Return car42 with one query's point on the left border of the front camera, how far that moved, and the query."""
    own = load_profile(CAR42)
    (plan,) = visible_sets(SPEC, own)
    for query, anchor in np.argwhere(plan.points_seen()[0]):
        point = own.image_from_lidar()[0] @ np.append(GRID.points()[query, anchor], 1.0)
        moved = shifted(own, -point[0] / point[2])
        (there,) = visible_sets(SPEC, moved)
        if (0, query) in map(tuple, there.borderline):
            return moved, float(-point[0] / point[2]), int(query)
    raise AssertionError("no query has a point that can be put there")


def said(text: str) -> list[str]:
    """Return the lines about borders."""
    return [line.strip() for line in text.splitlines() if "rounding of an image border" in line]


def both(
    build: Path, profile: CalibrationProfile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[list[str], list[str]]:
    """Return what `specialize table` and `guard relink` say of borders, which write the same bytes."""
    compiling.gxx()
    calib, tool, car, table = (tmp_path / name for name in ("c.yaml", "guard", "car", "table.safetensors"))
    calib.write_text(dump_profile(profile))
    run_here(capsys, "vehicle", "tool", "-o", tool)
    run_here(capsys, "vehicle", "export", build, "-o", car)
    (car / "today.bin").write_bytes(pack(load_profile(calib)).to_bytes())
    printed = run_here(capsys, "table", "--calib", calib, "--for", build, "-o", table)
    assert printed.code == 0, printed.err
    own = tmp_path / "own.safetensors"
    words = [tool, "relink", car / "contract.bin", car / "today.bin", "-o", own]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert own.read_bytes() == table.read_bytes()
    return said(printed.out), said(ran.stdout)


def test_a_point_on_the_border_is_named(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both name camera, query and side."""
    profile, _, query = on_the_border()
    (ours,), (theirs,) = both(builds["tables"], profile, tmp_path, capsys)
    assert ours == theirs
    assert ours.startswith("pairs within rounding of an image border: 1 (")
    assert f"{FRONT} query {query} kept" in ours or f"{FRONT} query {query} left out" in ours


def test_nothing_is_said_elsewhere(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A calibration without such a point has no such line."""
    assert both(builds["tables"], load_profile(CAR42), tmp_path, capsys) == ([], [])


def float32_side(profile: CalibrationProfile, query: int) -> bool:
    """Return whether the front camera sees a query: the graph of the tiny model in float32, sums in order."""
    scale, matrix = np.diag([0.5, 0.5, 1.0, 1.0]), profile.image_from_lidar()[0]
    wide = scale[:, :1] * matrix[:1]
    for k in range(1, 4):
        wide = wide + scale[:, k : k + 1] * matrix[k : k + 1]
    m = wide.astype(np.float32)
    for x, y, z in GRID.points()[query].astype(np.float32):
        u, v, depth = (((m[row, 0] * x + m[row, 1] * y) + m[row, 2] * z) + m[row, 3] for row in range(3))
        safe = np.maximum(depth, np.float32(1e-5))
        shares = (u / (safe * np.float32(WIDTH)), v / (safe * np.float32(HEIGHT)))
        if depth > np.float32(1e-5) and all(0 < share < 1 for share in shares):
            return True
    return False


@pytest.mark.parametrize("name", ["tables", "padded"])
def test_the_side_is_that_of_the_written_order(builds: Mapping[str, Path], name: str) -> None:
    """Close to the border float32 decides, by the order that is written; farther away all agree."""
    program = read_link(Build.open(builds[name]).file(RELINK))
    _, moved, query = on_the_border()
    own, sides = load_profile(CAR42), set()
    for step in np.linspace(-2e-5, 2e-5, 41):
        profile = shifted(own, moved + step)
        (pair,) = borderline_pairs(program, SPEC, profile)
        assert pair == BorderlinePair(camera=FRONT, grid=0, query=query, kept=float32_side(profile, query))
        sides.add(pair.kept)
    assert sides == {True, False}
    for step, seen in ((-0.5, False), (0.5, True)):
        profile = shifted(own, moved + step)
        assert borderline_pairs(program, SPEC, profile) == ()
        assert visible_sets(SPEC, profile)[0].seen[0, query] == seen == float32_side(profile, query)


def test_few_are_named() -> None:
    """Five are named, with their grid where there are several."""
    pairs = tuple(
        BorderlinePair(camera="A", grid=number % 2, query=number, kept=(True, False, None)[number % 3])
        for number in range(7)
    )
    outcome = TableOutcome(
        output=Path("t"),
        build_dir=Path("b"),
        vehicle="v",
        digests={"profile": "p" * 64, "build": "b" * 64},
        size=1,
        tensors={},
    )
    lines = said(to_text(table_text(dataclasses.replace(outcome, borderline=pairs)), 400))
    assert lines == [
        "pairs within rounding of an image border: 7 (A grid 0 query 0 kept, A grid 1 query 1 left out, "
        "A grid 0 query 2 undecided, A grid 1 query 3 kept, A grid 0 query 4 left out, ...)"
    ]
    assert not said(to_text(table_text(outcome)))
