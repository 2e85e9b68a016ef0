"""The evidence of relinks compares, measures and keeps what it says."""

from __future__ import annotations

import ctypes
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from specialize.artifact import Build
from specialize.binding.relink.program import Program
from specialize.binding.table_program import RELINK, read_link
from specialize.calibration.profile import CalibrationProfile
from tests.vehicle import linking
from tools import relink_batches, relink_evidence


@pytest.fixture(scope="module")
def program(builds: Mapping[str, Path]) -> Program:
    """Return the program of the tiny model."""
    return read_link(Build.open(builds["tables"]).file(RELINK))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return the executor in C++."""
    return linking.compiled(tmp_path_factory.mktemp("relink"))


@pytest.fixture(autouse=True)
def compiled_once(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every comparison use the same executor: compiling it takes longer than all vehicles here."""
    monkeypatch.setattr(linking, "compiled", lambda folder: library)


def test_vehicles_are_counted(program: Program, tmp_path: Path) -> None:
    """Each is compared, and fits or is refused."""
    said = relink_batches.compare(program, tmp_path, 12)
    assert said["compared"] == said["fit"] + said["refused"] == 12
    assert 0 < said["fit"] < 12


def test_a_difference_ends_it(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor that gives another byte is noticed."""
    honest = linking.run

    def wrong(*arguments: object) -> dict[str, object]:
        tables = honest(*arguments)  # type: ignore[arg-type]
        next(iter(tables.values())).reshape(-1)[-1] += 1
        return tables  # type: ignore[return-value]

    monkeypatch.setattr(linking, "run", wrong)
    with pytest.raises(AssertionError):
        relink_batches.compare(program, tmp_path, 3)


def test_interrupted_runs_add_up(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done is not done again; a run that goes on counts the same vehicles as one that was not interrupted."""
    monkeypatch.setattr(relink_batches, "BATCH", 4)
    whole = relink_batches.compare(program, tmp_path, 11)
    kept, honest, compared = tmp_path / "kept.json", linking.compare, []

    def interrupted(linker: linking.Linker, profile: CalibrationProfile) -> bool:
        if len(compared) == 6:
            raise KeyboardInterrupt
        compared.append(profile.digest)
        return honest(linker, profile)

    monkeypatch.setattr(linking, "compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        relink_batches.compare(program, tmp_path, 11, kept)
    kept_batches = json.loads(kept.read_text())["batches"]
    assert {first: batch["compared"] for first, batch in kept_batches.items()} == {"0": 4}
    again: list[str] = []

    def counted(linker: linking.Linker, profile: CalibrationProfile) -> bool:
        again.append(profile.digest)
        return honest(linker, profile)

    monkeypatch.setattr(linking, "compare", counted)
    assert relink_batches.compare(program, tmp_path, 11, kept) == whole
    assert len(again) == 7
    assert len({*compared[:4], *again}) == 11
    assert relink_batches.compare(program, tmp_path, 12, kept)["compared"] == 12  # the last batch grew
    assert len(again) == 11


def test_batches_of_another_program_do_not_count(program: Program, tmp_path: Path) -> None:
    """Another program, or another executor, begins again."""
    kept = tmp_path / "kept.json"
    relink_batches.compare(program, tmp_path, 2, kept)
    said = json.loads(kept.read_text())
    said["executors"] = said["executors"][::-1]
    said["batches"]["0"]["fit"] = 77
    kept.write_text(json.dumps(said))
    assert relink_batches.compare(program, tmp_path, 2, kept)["fit"] <= 2
    shorter = dataclasses.replace(program, instructions=program.instructions[:-1])
    assert relink_batches.executors(shorter) != relink_batches.executors(program)


def test_times_are_of_both_flags(program: Program, tmp_path: Path) -> None:
    """Optimised little and much; more instructions than an empty program has."""
    figures = relink_evidence.measure(program, tmp_path, 1)
    assert list(figures) == ["-O2", "-O3"]
    for figure in figures.values():
        assert 0 < figure["relink_us"] < 1e6
        assert figure["instructions"] is None or figure["instructions"] > 1000


def test_models_stay_beside_each_other(tmp_path: Path) -> None:
    """Figures of one model replace its own alone."""
    for model, layout, number in (
        ("b", "ragged", 1),
        ("a", "padded", 2),
        ("a", "ragged", 3),
        ("b", "ragged", 4),
    ):
        path = relink_evidence.write(tmp_path, model, layout, {"compared": number})
    kept = json.loads(path.read_text())["models"]
    assert list(kept) == ["a", "b"]
    assert [kept[m][key]["compared"] for m, key in (("a", "padded"), ("a", "ragged"), ("b", "ragged"))] == [
        2,
        3,
        4,
    ]
