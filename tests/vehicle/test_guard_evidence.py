"""The evidence of the guard counts what is said, notices what is wrong, and goes on where it stood."""

from __future__ import annotations

import ctypes
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from specialize.vehicle.contract import Contract
from specialize.vehicle.twin import Batch, Verdicts
from specialize.vehicle.words import State
from tests.vehicle import judging, rigs
from tests.vehicle.variants import variants
from tools import guard_evidence
from tools.guard_evidence import WRONG, Judges, judge_all

ENVELOPE_AS_THE_GRAPH = 6


@pytest.fixture
def judges(
    many: ctypes.CDLL,
    builds: Mapping[str, Path],
    contracts: Mapping[str, Contract],
    monkeypatch: pytest.MonkeyPatch,
) -> Judges:
    """Return what judges batches of 500."""
    monkeypatch.setattr(guard_evidence, "BATCH", 500)
    return Judges(many, builds, tuple(variants(contracts)))


def test_what_is_said_is_counted(judges: Judges) -> None:
    """Every calibration has a state, graphs are asked, nothing is wrong."""
    counts = judge_all(judges, "", 12 * 500, None)
    assert sum(counts[state.name] for state in State) == 12 * 500
    assert counts["graphs"] > 20 and not any(counts[name] for name in WRONG)


@pytest.mark.parametrize(
    ("wrong", "place", "state"),
    [
        ("false_fresh", 0, "FRESH"),
        ("not_finite", 0, "STALE"),
        ("false_inside", ENVELOPE_AS_THE_GRAPH, "INSIDE"),
    ],
)
def test_a_wrong_state_is_noticed(
    judges: Judges, monkeypatch: pytest.MonkeyPatch, wrong: str, place: int, state: str
) -> None:
    """Guards that both say the same of everything are found wrong by what asks no guard."""
    honest = judging.differences

    def agreed(*arguments: object) -> tuple[Verdicts, dict[str, np.ndarray]]:
        verdicts, differ = honest(*arguments)  # type: ignore[arg-type]
        return dataclasses.replace(verdicts, state=np.full_like(verdicts.state, State[state])), differ

    monkeypatch.setattr(judging, "differences", agreed)
    counts = judges.batch(place)
    assert counts[wrong] > 5 and counts["differ"] == 0


def test_a_difference_is_noticed(judges: Judges, monkeypatch: pytest.MonkeyPatch) -> None:
    """One field of one verdict is enough."""
    honest = judging.judge_native

    def other(library: ctypes.CDLL, contract: bytes, batch: Batch) -> np.ndarray:
        theirs = honest(library, contract, batch)
        theirs["camera_pairs"][7] += 1
        return theirs

    monkeypatch.setattr(judging, "judge_native", other)
    assert judges.batch(0)["differ"] == 1


def test_another_bit_is_not_fresh(contracts: Mapping[str, Contract]) -> None:
    """The numbers of a build, and not those with one bit changed."""
    contract = contracts["exact"]
    batch = rigs.random_batch(contract, 2, np.random.default_rng(1))
    batch.cameras[:] = rigs.nominal(contract, 2)
    values = batch.cameras["image_from_lidar"]
    values[1, 0, 0] = np.nextafter(values[1, 0, 0], np.inf)
    assert guard_evidence.same_numbers(contract, batch).tolist() == [True, False]


def test_interrupted_runs_add_up(judges: Judges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is not judged again, unless what judges has changed."""
    kept, whole = tmp_path / "kept.json", judge_all(judges, "key", 14 * 500, None)
    judge_all(judges, "key", 10 * 500, kept)
    numbers: list[int] = []
    honest = Judges.batch

    def counted(self: Judges, number: int) -> Counter[str]:
        numbers.append(number)
        return honest(self, number)

    monkeypatch.setattr(Judges, "batch", counted)
    assert judge_all(judges, "key", 14 * 500, kept) == whole
    assert numbers == [10, 11, 12, 13] and len(json.loads(kept.read_text())["batches"]) == 14
    judge_all(judges, "another", 1 * 500, kept)
    assert numbers[4:] == [0]
