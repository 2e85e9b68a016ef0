"""Errors that the numeric comparison cannot see, because both models share them, are found by the witness."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import CAR43, run_here
from tests.end_to_end.test_build import Bench, bench
from tests.witness import mutants
from tests.witness.mutants import Mutant

__all__ = ["bench"]

TURNED = ("--mode", "envelope", "--tolerance", "rotation=1deg")
SHIFTED = ("--mode", "envelope", "--tolerance", "translation=30cm")
CENTRED = ("--mode", "envelope", "--tolerance", "principal_point=30px")
MOVING = ("--mode", "envelope", "--tolerance", "yaw_rate=60deg/s,skew=50ms")


@pytest.mark.parametrize("mode", ["exact", "envelope", "tables"])
@pytest.mark.parametrize(
    "mutant",
    [mutants.swapped_cameras, mutants.half_a_pixel, mutants.one_percent],
    ids=lambda mutant: mutant.__name__,
)
def test_a_wrong_projection_fails_the_build(
    mutant: Mutant, mode: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A projection that is wrong in both models is no build: the matrices are not those of the documents."""
    mutant(monkeypatch)
    tolerance = ("--tolerance", "rotation=1deg") if mode == "envelope" else ()
    ran = bench.build("--mode", mode, *tolerance, "--allow", "view-share")
    assert ran.code == 4, ran.err
    assert "witness" in ran.err
    assert bench.names() == set()


@pytest.mark.parametrize(
    ("mutant", "options"),
    [
        (mutants.half_rotation, TURNED),
        (mutants.no_translation, SHIFTED),
        (mutants.no_principal_point, CENTRED),
        (mutants.no_yaw_rate, MOVING),
    ],
    ids=["half rotation", "no translation", "no principal point", "no yaw rate"],
)
def test_an_envelope_that_is_too_small_fails_the_build(
    mutant: Mutant, options: tuple[str, ...], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that forgets a part of the tolerance loses a query that the witness finds; the right one none."""
    assert bench.build(*options).code == 0
    mutant(monkeypatch)
    ran = bench.build(*options, "--seed", "1")
    assert ran.code == 4, ran.err
    assert "witness" in ran.err and "envelope" in ran.err


@pytest.mark.parametrize(
    ("mutant", "told"),
    [(mutants.rolled_file, "file of the envelope"), (mutants.nothing_counted, "output 'pairs_outside'")],
    ids=["file", "count"],
)
def test_what_tells_that_an_envelope_is_left_is_compared(
    mutant: Mutant, told: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the file that `check` reads nor the output that counts is a matter of comparing with the original."""
    options = (*TURNED, "--count-outside")
    assert bench.build(*options).code == 0
    mutant(monkeypatch)
    ran = bench.build(*options, "--seed", "1")
    assert ran.code == 4, ran.err
    assert told in ran.err


@pytest.mark.parametrize("kind", ["rows", "sum", "values", "v82"])
def test_swapped_entries_of_a_table_are_an_error(
    kind: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two entries of a table swapped for another vehicle are found before the table is written."""
    assert bench.build("--mode", "tables").code == 0
    table = tmp_path / "car43.safetensors"
    command = ("table", "--calib", CAR43, "--for", bench.folder / "car42", "-o", table)
    if kind == "v82":  # what the graph computes is compared where the graph makes the tables
        mutants.no_portable_program(monkeypatch)
    mutants.swapped_entries(kind)(monkeypatch)
    ran = run_here(bench.capsys, *command)
    assert ran.code == 4, ran.err
    assert "witness: table." in ran.err
    assert not table.exists()
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("mutant", "told"),
    [(mutants.moved_outside, "where the points fall"), (mutants.one_more_slot, "which the engine takes")],
    ids=["a place outside the image", "a shape"],
)
def test_a_wrong_table_is_not_written(
    mutant: Mutant, told: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples around a point outside the image may fall into it; and an engine takes tables of one shape."""
    assert bench.build("--mode", "tables").code == 0
    table = tmp_path / "car43.safetensors"
    mutant(monkeypatch)
    ran = run_here(bench.capsys, "table", "--calib", CAR43, "--for", bench.folder / "car42", "-o", table)
    assert ran.code == 4, ran.err
    assert told in ran.err
    assert not table.exists()


def test_a_grid_that_is_not_the_models_blames_the_sidecar(bench: Bench) -> None:
    """Tables of a model whose sidecar has another grid of the same size are refused, and the hint names the sidecar."""
    sidecar = bench.model.with_suffix(".model.yaml")
    sidecar.write_text(sidecar.read_text().replace("-20.0, -15.0", "-27.0, -15.0"))
    ran = bench.build("--mode", "tables", "--allow", "view-share")
    assert ran.code == 4, ran.err
    assert "the grids, the image preparation or the rule of the sidecar" in ran.err
    assert bench.names() == set()
