"""A file that is not regular is an error at once instead of being waited for."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from specialize.artifact.manifest import read_manifest
from specialize.artifact.tensors import read_tensors
from specialize.digest import digest_file
from specialize.errors import InputError, SpecializeError
from specialize.files import regular
from specialize.files.protobuf import field_of_file
from specialize.files.regular import open_regular, read_regular
from specialize.store.entry import read_entry

READERS: dict[str, Callable[[Path], object]] = {
    "digest": digest_file,
    "manifest": lambda path: read_manifest(path.parent),
    "entry": read_entry,
    "tensors": read_tensors,
    "protobuf": lambda path: field_of_file(path, 1),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path, reader: str) -> None:
    """Opening a pipe blocks until a process writes to it: no reader of files does that."""
    path = tmp_path / "manifest.json"
    os.mkfifo(path)
    with pytest.raises(SpecializeError, match=r"named pipe|no such file"):
        READERS[reader](path)


def test_a_socket_and_a_device_are_refused(tmp_path: Path) -> None:
    """Neither has a content that a digest could name."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))
        with pytest.raises(InputError, match="got a socket"):
            open_regular(path)
    with pytest.raises(InputError, match="got a device"):
        open_regular(Path("/dev/zero"))


def test_a_folder_and_a_missing_file_stay_what_they_are(tmp_path: Path) -> None:
    """Callers tell these apart."""
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    """Links are how people arrange files; digests say whether the content is right."""
    (tmp_path / "real").write_text(json.dumps(1))
    (tmp_path / "link").symlink_to("real")
    assert read_regular(tmp_path / "link") == b"1"


def test_a_lock_file_may_go_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner removes it when done; between finding and reading it that is no error."""
    lock = tmp_path / "lock"
    lock.write_text("7\n")

    def gone(path: Path) -> bytes:
        path.unlink()
        return path.read_bytes()

    monkeypatch.setattr(regular, "read_regular", gone)
    regular.require_lock_file(lock)
    lock.write_text("no lock")
    monkeypatch.undo()
    with pytest.raises(InputError, match="a lock file"):
        regular.require_lock_file(lock)
