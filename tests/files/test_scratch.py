"""Work folders do not outlive their process, and those of killed processes are removed by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from specialize.files.scratch import PREFIX, remove_orphans, temporary_folder, work_folder
from specialize.store import open_store
from tests.cli.running import REPOSITORY

HANG = """
import sys, time
from pathlib import Path
from specialize.files.scratch import work_folder
with work_folder(Path(sys.argv[1]), "model") as folder:
    (folder / "weights.bin").write_bytes(b"x" * 100)
    print("ready", flush=True)
    time.sleep(60)
"""


def hanging(place: Path) -> subprocess.Popen[str]:
    """Start a process that works in a folder below `place` until it is ended."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", HANG, str(place)], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    """Kill a process and wait for it."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    """Also when the block raises."""
    with pytest.raises(RuntimeError), work_folder(tmp_path, "model") as folder:
        (folder / "x").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_next_to_open_a_store_removes_what_a_kill_left(tmp_path: Path) -> None:
    """A copy of a model in a store's scratch folder is gone as soon as any command opens the store."""
    ended(hanging(tmp_path / "tmp"))
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    open_store(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_living_process_works_in_stays(tmp_path: Path) -> None:
    """Its lock says that it is in use."""
    process = hanging(tmp_path / "tmp")
    try:
        open_store(tmp_path)
        assert len(list((tmp_path / "tmp").iterdir())) == 1
    finally:
        ended(process)


def test_in_the_systems_folder_only_ours_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs keep their folders there, and symbolic links lead elsewhere."""
    (tmp_path / "other").mkdir()
    (tmp_path / f"{PREFIX}orphan").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "other")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with temporary_folder("bench") as folder:
        assert folder.parent == tmp_path
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["other", f"{PREFIX}link", folder.name]
        )


def test_a_place_that_is_not_there_has_no_orphans(tmp_path: Path) -> None:
    """Nothing is made and nothing raised."""
    remove_orphans(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_no_folder_that_others_take_for_an_orphan_is_made() -> None:
    """A folder whose name begins as ours do is removed unless its owner holds a lock: `temporary_folder` holds one."""
    spelled = "prefix=" + f'"{PREFIX}'
    found = [
        path.relative_to(REPOSITORY)
        for place in ("specialize", "tools", "tests", "benchmarks")
        for path in (REPOSITORY / place).rglob("*.py")
        if spelled in path.read_text()
    ]
    assert found == []
