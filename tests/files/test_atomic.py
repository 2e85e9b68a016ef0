"""Files appear whole or not at all, whatever kills the writer."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from specialize.errors import InputError, SpecializeError
from specialize.files import atomic, exclusive

WRITE_AND_HANG = """
import pathlib, sys, time
from specialize.files.atomic import publish_directory
with publish_directory(pathlib.Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""

LOCK_AND_HANG = """
import pathlib, sys, time
from specialize.files.exclusive import only_one
with only_one(pathlib.Path(sys.argv[1]), "build car42"):
    print("ready", flush=True)
    time.sleep(60)
"""

REPLACE_FOR_EVER = """
import pathlib, sys
from specialize.files.atomic import publish_directory
target = pathlib.Path(sys.argv[1])
for turn in range(10_000):
    with publish_directory(target) as folder:
        for name in "ab":
            (folder / name).write_text(str(turn))
    if turn == 0:
        print("ready", flush=True)
"""


def start(script: str, argument: Path) -> subprocess.Popen[str]:
    """Start a process that runs `script` and wait until it says that it is ready."""
    command = [sys.executable, "-c", script, str(argument)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """End a process the hard way, as the kernel does when memory runs out."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def names(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones included."""
    return sorted(path.name for path in folder.iterdir())


def test_a_published_directory_is_complete(tmp_path: Path) -> None:
    """What the block wrote is at the target, and nothing else is beside it."""
    with atomic.publish_directory(tmp_path / "a" / "car42") as folder:
        assert not (tmp_path / "a" / "car42").exists()
        (folder / "x").write_text("1")
    assert (tmp_path / "a" / "car42" / "x").read_text() == "1"
    assert names(tmp_path / "a") == ["car42"]


def test_a_published_directory_replaces_the_old_one(tmp_path: Path) -> None:
    """The new content takes the place of the old, none of which remains."""
    for name in ("old", "new"):
        with atomic.publish_directory(tmp_path / "car42") as folder:
            (folder / name).write_text(name)
    assert names(tmp_path / "car42") == ["new"]
    assert names(tmp_path) == ["car42"]


def test_replacing_works_without_an_exchanging_system_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two directories cannot be swapped in one step, two renames do."""
    asked = []
    monkeypatch.setattr(atomic, "_exchanged", lambda first, second: bool(asked.append((first, second))))
    test_a_published_directory_replaces_the_old_one(tmp_path)
    assert len(asked) == 1


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    """A block that raises leaves the old directory as it was and no temporary one."""
    with atomic.publish_directory(tmp_path / "car42") as folder:
        (folder / "x").write_text("old")
    with pytest.raises(RuntimeError, match="boom"), atomic.publish_directory(tmp_path / "car42") as folder:
        (folder / "x").write_text("new")
        raise RuntimeError("boom")
    assert (tmp_path / "car42" / "x").read_text() == "old"
    assert names(tmp_path) == ["car42"]


def test_a_kill_leaves_no_half_directory(tmp_path: Path) -> None:
    """After kill -9 there is no target, only a hidden sibling, which the next publication removes."""
    kill(start(WRITE_AND_HANG, tmp_path / "car42"))
    assert all(name.startswith(".car42.tmp-") for name in names(tmp_path))
    assert len(names(tmp_path)) == 1
    with atomic.publish_directory(tmp_path / "car42") as folder:
        (folder / "x").write_text("1")
    assert names(tmp_path) == ["car42"]


def test_a_living_writer_keeps_its_directory(tmp_path: Path) -> None:
    """A publication never removes what another living process is writing for the same target."""
    process = start(WRITE_AND_HANG, tmp_path / "car42")
    try:
        with atomic.publish_directory(tmp_path / "car42"):
            pass
        assert [name for name in names(tmp_path) if name.startswith(".car42.tmp-")]
    finally:
        kill(process)


def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    """A writer killed while it replaces a directory again and again leaves a whole one, of one turn."""
    process = start(REPLACE_FOR_EVER, tmp_path / "car42")
    time.sleep(0.2)
    kill(process)
    assert (tmp_path / "car42" / "a").read_text() == (tmp_path / "car42" / "b").read_text()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    """Publishing where a file stands is refused with a remedy, and the file survives."""
    (tmp_path / "car42").write_text("mine")
    with pytest.raises(SpecializeError, match="folder"), atomic.publish_directory(tmp_path / "car42"):
        pass
    assert (tmp_path / "car42").read_text() == "mine"


def test_the_second_process_waits_and_names_the_first(tmp_path: Path) -> None:
    """Who finds the lock taken says which process has it, once, and gives up after the timeout."""
    process = start(LOCK_AND_HANG, tmp_path / "lock")
    said: list[str] = []
    try:
        with (
            pytest.raises(SpecializeError, match=f"process {process.pid}") as caught,
            exclusive.only_one(tmp_path / "lock", "build car42", timeout_s=0.3, on_wait=said.append),
        ):
            pass
    finally:
        kill(process)
    assert said == [f"build car42: waiting for process {process.pid}"]
    assert "hint:" in str(caught.value)


COUNT = """
import pathlib, sys
from specialize.files.exclusive import only_one
count, lock = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for _ in range(100):
    with only_one(lock, "count"):
        count.write_text(str(int(count.read_text()) + 1))
"""


def test_one_process_at_a_time_and_no_lock_file_afterwards(tmp_path: Path) -> None:
    """Lock files come and go while three processes count; no step is lost, and only the count is left."""
    count = tmp_path / "count"
    count.write_text("0")
    command = [sys.executable, "-c", COUNT, str(count), str(tmp_path / ".count.lock")]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert count.read_text() == "300"
    assert names(tmp_path) == ["count"]


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Where no lock file can be made no process is waited for."""
    said: list[str] = []
    with (
        pytest.raises(SpecializeError, match="lock"),
        exclusive.only_one(tmp_path / ("x" * 300), "build car42", on_wait=said.append),
    ):
        pass
    assert not said


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    """The lock of a killed process is free."""
    kill(start(LOCK_AND_HANG, tmp_path / "lock"))
    entered = False
    with exclusive.only_one(tmp_path / "lock", "build car42", timeout_s=0.3):
        entered = True
    assert entered


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    """Text and bytes arrive, replace what was there, and leave no temporary file."""
    atomic.write_file(tmp_path / "new" / "a", "text")
    atomic.write_file(tmp_path / "new" / "a", b"bytes")
    assert (tmp_path / "new" / "a").read_bytes() == b"bytes"
    assert names(tmp_path / "new") == ["a"]


def test_the_left_over_of_a_killed_writer_is_used_again(tmp_path: Path) -> None:
    """A temporary file left by a kill neither disturbs the next write nor survives it."""
    (tmp_path / ".a.tmp").write_text("half of something much longer")
    atomic.write_file(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"
    assert names(tmp_path) == ["a"]


def test_a_full_disk_while_writing_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fills, the old file stays, no temporary file does, and the error says what to do."""
    atomic.write_file(tmp_path / "a", "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpecializeError, match="free disk space") as caught:
        atomic.write_file(tmp_path / "a", "new")
    assert caught.value.exit_code == 1
    assert "SPECIALIZE_STORE" in caught.value.hint
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_full_device_is_explained() -> None:
    """The system's own full device gives our error, so the number of the error is the right one."""
    with (
        pytest.raises(SpecializeError, match="free disk space"),
        atomic.explained(Path("/dev/full")),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_a_full_disk_inside_the_block_leaves_nothing(tmp_path: Path) -> None:
    """A block that meets a full disk ends in our error, and its directory is removed."""
    with (
        pytest.raises(SpecializeError, match="free disk space"),
        atomic.publish_directory(tmp_path / "car42"),
    ):
        raise OSError(errno.ENOSPC, "no space")
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT, errno.EISDIR])
def test_refusals_of_the_system_are_explained(number: int) -> None:
    """Permission and quota errors name the file and come with a remedy."""
    with pytest.raises(SpecializeError, match="/somewhere") as caught, atomic.explained(Path("/x")):
        raise OSError(number, "no", "/somewhere")
    assert caught.value.hint


def test_other_errors_are_not_hidden() -> None:
    """An unknown error of the operating system is passed on unchanged."""
    with pytest.raises(OSError, match="strange"), atomic.explained(Path("/x")):
        raise OSError(errno.EBADF, "strange")


def test_too_little_room_is_said_beforehand(tmp_path: Path) -> None:
    """A write that cannot fit is refused before it starts, even where the folder does not exist yet."""
    atomic.require_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(SpecializeError, match="MiB of free disk space"):
        atomic.require_space(tmp_path / "not" / "yet", 2**70)


PRECIOUS = "somebody's own file\n"
LINKS = {"symbolic link": os.symlink, "hard link": os.link}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_in_the_place_of_a_temporary_file_keeps_what_it_leads_to(tmp_path: Path, kind: str) -> None:
    """Whoever can write to a folder must not make us overwrite a file elsewhere."""
    victim = tmp_path / "victim"
    victim.write_text(PRECIOUS)
    LINKS[kind](victim, tmp_path / ".report.html.tmp")
    atomic.write_file(tmp_path / "report.html", "new")
    assert victim.read_text() == PRECIOUS
    assert (tmp_path / "report.html").read_text() == "new"
    assert names(tmp_path) == ["report.html", "victim"]


def test_a_pipe_in_the_place_of_a_temporary_file_is_no_hurdle(tmp_path: Path) -> None:
    """A pipe cannot be emptied: it is removed, and a file takes its place."""
    os.mkfifo(tmp_path / ".report.html.tmp")
    atomic.write_file(tmp_path / "report.html", "new")
    assert names(tmp_path) == ["report.html"]


@pytest.mark.parametrize("kind", [*LINKS, "file", "pipe"])
def test_what_is_no_lock_file_is_not_locked(tmp_path: Path, kind: str) -> None:
    """A lock file is written to, so a file with other content, or a link to one, is refused and kept."""
    lock, victim = tmp_path / ".car42.lock", tmp_path / "victim"
    victim.write_text(PRECIOUS)
    if kind == "file":
        lock.write_text(PRECIOUS)
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        LINKS[kind](victim, lock)
    with pytest.raises(InputError, match="expected a lock file"), exclusive.only_one(lock, "build car42"):
        pass
    assert victim.read_text() == PRECIOUS
    assert kind == "pipe" or lock.read_text() == PRECIOUS


def test_folders_that_look_like_left_overs_are_kept(tmp_path: Path) -> None:
    """Only names that a writer makes are removed as left over; `.car42.tmp-mine` may be a user's own."""
    for name in (".car42.tmp-mine", ".car42.tmp-0123456789ab", ".car42.tmp-0123456789ab-old"):
        (tmp_path / name).mkdir()
    with atomic.publish_directory(tmp_path / "car42"):
        pass
    assert names(tmp_path) == [".car42.tmp-mine", "car42"]
