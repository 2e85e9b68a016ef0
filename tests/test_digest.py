"""Digests: of files once per process, and of documents that name their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from specialize import digest as module
from specialize.digest import UNSEALED, copy_file, digest_bytes, digest_file, seal, sealed_digest


def old(path: Path, data: bytes) -> Path:
    """Write a file that changed an hour ago as far as its modification time tells."""
    path.write_bytes(data)
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)
    return path


def test_a_file_that_just_changed_is_read_again(tmp_path: Path) -> None:
    """A second change within the clock of the file system, which leaves size and times as they are, is noticed."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    times = path.stat()
    assert digest_file(path) == digest_bytes(b"one")
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest_file(path) == digest_bytes(b"two")


def test_a_settled_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has been as it is for a while is read once, and again after it changed."""
    reads = []
    real = module.digest_stream
    path = old(tmp_path / "file", b"one")

    monkeypatch.setattr(module, "_SETTLED_NS", -1)
    monkeypatch.setattr(module, "digest_stream", lambda file: reads.append(1) or real(file))
    assert [digest_file(path) for _ in range(3)] == [digest_bytes(b"one")] * 3
    assert len(reads) == 1
    old(path, b"another")
    assert digest_file(path) == digest_bytes(b"another")


def test_a_copy_of_a_known_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy has the digest of its source without being read, until it is written again."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"weights")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_SETTLED_NS", -1)
        wanted = digest_file(source)
    copy_file(source, target)
    with monkeypatch.context() as patch:
        patch.setattr(module, "digest_stream", lambda file: pytest.fail("the copy is read"))
        assert digest_file(target) == wanted == digest_bytes(target.read_bytes())
    target.write_bytes(b"changed")
    assert digest_file(target) == digest_bytes(b"changed")


def test_a_copy_of_an_unknown_file_is_read(tmp_path: Path) -> None:
    """What this process never read has no digest to hand on."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    copy_file(source, target)
    assert digest_file(target) == digest_bytes(b"new")


def test_a_document_names_its_own_digest() -> None:
    """The digest is that of the document with zeros in its place; every other text has another one."""
    text = seal(f"name: x, digest: {UNSEALED}, end")
    claimed = text.split()[3].rstrip(",")
    assert (
        sealed_digest(text.encode(), claimed)
        == claimed
        == digest_bytes(text.replace(claimed, UNSEALED).encode())
    )
    assert sealed_digest(text.replace("x", "y").encode(), claimed) != claimed
