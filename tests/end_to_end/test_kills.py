"""Commands that are killed leave nothing half-written, and do the same when they run again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from specialize.errors import InputError
from tests.end_to_end.killing import (
    STEPS,
    Step,
    contents,
    disturbed,
    exported_whole,
    packed_whole,
    prepared,
    run,
)


def test_killed_commands_leave_nothing_half_written(tmp_path: Path) -> None:
    """Pack, plan, build and export, killed at random: what is there is whole, and a rerun gives the same bytes."""
    homes = [prepared(tmp_path / name, vehicles=2) for name in ("home", "clean")]
    told = disturbed(homes[0], homes[1], rounds=2, seed=os.getpid())
    assert [line.partition(":")[0] for line in told] == [step.name for step in STEPS]


def test_what_is_half_written_would_be_noticed(tmp_path: Path) -> None:
    """A table that is cut off, a layout that lacks a blob, a file that is left over."""
    (tmp_path / "fleet.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="a readable Parquet file"):
        packed_whole(tmp_path)
    (tmp_path / "layout").mkdir()
    index = '{"manifests": [{"mediaType": "application/x-manifest", "digest": "sha256:00"}]}'
    (tmp_path / "layout" / "index.json").write_text(index)
    with pytest.raises(FileNotFoundError):
        exported_whole(tmp_path)
    (tmp_path / ".layout.tmp-0").mkdir()
    (tmp_path / ".layout.tmp-0" / "blob").write_bytes(b"")
    assert ".layout.tmp-0/blob" in contents(STEPS[-1], tmp_path)


def test_a_command_that_fails_by_itself_is_no_kill(tmp_path: Path) -> None:
    """An exit code other than 0 of an undisturbed run ends the search."""
    with pytest.raises(AssertionError, match="no such file or folder"):
        run(Step("pack", ("fleet", "pack", "none", "-o", "x.parquet"), "x", packed_whole), tmp_path)
