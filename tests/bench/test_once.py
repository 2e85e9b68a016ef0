"""Two forms run a few times in turn; how fast they are no test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.bench import Subject, measure
from specialize.bench.once import ROUNDS, Runs, ratio, run_once
from specialize.errors import InputError
from tests.bench.test_bench import _attention


@pytest.fixture
def subjects(tmp_path: Path) -> dict[str, Subject]:
    """Return two forms of different size."""
    return {
        "original": _attention(tmp_path / "a.onnx", 800),
        "specialized": _attention(tmp_path / "b.onnx", 100),
    }


def test_forms_take_turns_until_the_time_is_over(subjects: dict[str, Subject]) -> None:
    """With time enough there are all rounds, and the first run does not count; without, it is the one that does."""
    runs = run_once(subjects, budget_s=600.0)
    assert [len(each.seconds) for each in runs.values()] == [ROUNDS + 1, ROUNDS + 1]
    assert all(each.warm() == slice(1, None) and each.peak_bytes > 0 for each in runs.values())
    assert all(
        min(each.cpu_seconds) >= 0 and each.runtime.startswith("onnxruntime ") for each in runs.values()
    )
    short = run_once(subjects, budget_s=0.0)
    assert [len(each.seconds) for each in short.values()] == [1, 1]
    assert all(each.warm() == slice(0, None) for each in short.values())


def test_forms_that_fill_the_memory_run_one_at_a_time(
    subjects: dict[str, Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine too small for both, each runs once and is closed before the other is opened."""
    closed: list[str] = []
    leave = measure.Worker.__exit__

    def watched(self: measure.Worker, *error: object) -> None:
        closed.append(self._name)
        leave(self, *error)  # type: ignore[arg-type]

    monkeypatch.setattr(measure.Worker, "__exit__", watched)
    monkeypatch.setattr(measure, "memory_bytes", lambda: 1)
    runs = run_once(subjects)
    assert closed == ["original", "specialized"]
    assert [len(each.seconds) for each in runs.values()] == [1, 1]


def test_the_ratio_is_of_processor_time_round_by_round() -> None:
    """A round in which the machine was slow slows both; the first run is left out."""
    one = Runs(cpu_seconds=[99.0, 4.0, 40.0, 4.0], seconds=[1.0] * 4)
    two = Runs(cpu_seconds=[1.0, 2.0, 20.0, 2.0], seconds=[1.0] * 4)
    assert ratio(one, two) == 2.0


def test_a_form_that_does_not_run_is_an_error(tmp_path: Path, subjects: dict[str, Subject]) -> None:
    """It is named."""
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="form 'specialized'"):
        run_once({**subjects, "specialized": Subject(tmp_path / "broken.onnx", {})})
