"""Executors carry out tasks anywhere, and one that kills its process fails alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from specialize.errors import UsageError
from specialize.fleet.build import build_fleet
from specialize.fleet.executors import completed, elsewhere, executor_of
from specialize.store import open_store
from tests.fleet.dying import endless, halved
from tests.fleet.test_build import entries, locked, statuses


def lost(number: int, reason: str) -> str:
    """Say that a task is lost."""
    assert "died" in reason
    return f"lost {number}"


def test_a_process_that_dies_fails_its_task_alone() -> None:
    """Every other task is done, also those that were in the same pool."""
    with executor_of(jobs=2) as executor:
        results = list(completed(executor, halved, [1, 2, 3, 4, 5], lost))
    assert sorted(results) == ["half of 10", "half of 2", "half of 4", "half of 8", "lost 3"]


def test_an_interrupt_waits_for_no_task(tmp_path: Path) -> None:
    """Processes that are at work end, and what waits for them does not begin."""
    places = [tmp_path / str(number) for number in range(8)]
    with pytest.raises(KeyboardInterrupt), executor_of(jobs=2) as executor:
        for place in places:
            executor.submit(endless, str(place))
        while not (places[0].exists() and places[0].read_text()):
            time.sleep(0.05)
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(int(places[0].read_text()), 0)
    assert not places[-1].exists()


def test_one_process_tells_of_each_task_before_the_next(tmp_path: Path) -> None:
    """Without other processes a result is there before the next task begins, and an exception is not caught."""
    begun: list[int] = []

    def inverted(number: int) -> float:
        begun.append(number)
        return 1 / number

    with executor_of() as executor:
        results = completed(executor, inverted, [2, 4, 0], lambda number, reason: 0.0)
        assert (next(results), begun) == (0.5, [2])
        assert (next(results), begun) == (0.25, [2, 4])
        with pytest.raises(ZeroDivisionError):
            next(results)


@pytest.mark.slow
def test_the_workers_of_a_scheduler_make_the_same(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet built by the workers of a scheduler at an address leaves what one process leaves."""
    distributed = pytest.importorskip("distributed")
    lock = locked(tmp_path)
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        executor_of("dask", cluster.scheduler_address) as executor,
    ):
        built = build_fleet(lock, executor)
    assert statuses(built) == ["built"] * 3
    first = entries(open_store())
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "other"))
    build_fleet(lock)
    assert entries(open_store()) == first


def test_only_another_engine_is_elsewhere() -> None:
    """Processes of this machine are left to who needs them; a scheduler needs an engine that has one."""
    with elsewhere("local", jobs=2) as executor:
        assert executor is None
    with pytest.raises(UsageError, match="--scheduler"), elsewhere("local", "tcp://127.0.0.1:9"):
        pass
