"""Engines carry out tasks anywhere, and one that kills its process fails alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.fleet.build import build_fleet
from specialize.fleet.engines import Dask, Local
from specialize.store import open_store
from tests.fleet.dying import halved
from tests.fleet.test_build import entries, locked, statuses


def lost(number: int, reason: str) -> str:
    """Say that a task is lost."""
    assert "died" in reason
    return f"lost {number}"


def test_a_process_that_dies_fails_its_task_alone() -> None:
    """Every other task is done, also those that were in the same pool."""
    results = list(Local(2).run(halved, [1, 2, 3, 4, 5], lost))
    assert sorted(results) == ["half of 10", "half of 2", "half of 4", "half of 8", "lost 3"]


@pytest.mark.slow
def test_the_workers_of_a_scheduler_make_the_same(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet built by the workers of a scheduler at an address leaves what one process leaves."""
    distributed = pytest.importorskip("distributed")
    lock = locked(tmp_path)
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, **options) as cluster:
        built = build_fleet(lock, Dask(cluster.scheduler_address))
    assert statuses(built) == ["built"] * 3
    first = entries(open_store())
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "other"))
    build_fleet(lock)
    assert entries(open_store()) == first
