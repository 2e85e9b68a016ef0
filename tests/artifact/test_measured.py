"""Figures of a moment lie beside a build, belong to it by its digest, and are never needed."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from specialize.artifact.measured import measured_path, read_measured, write_measured
from tests.artifact.examples import measured

DIGEST = "sha256:" + "a" * 64


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    """They lie beside the folder of the build and name its manifest."""
    written = write_measured(tmp_path / "car42", DIGEST, measured())
    assert written.build == DIGEST and written.parts == measured().parts
    assert read_measured(tmp_path / "car42", DIGEST) == written
    assert measured_path(tmp_path / "car42") == tmp_path / "car42.measured.json"


def test_figures_of_another_build_are_none(tmp_path: Path) -> None:
    """A build that replaced the one that was measured has no figures."""
    write_measured(tmp_path / "car42", DIGEST, measured())
    assert read_measured(tmp_path / "car42", "sha256:" + "b" * 64) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b'{"schema": "specialize/measured@0"}'])
def test_what_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    """A damaged file, a missing one and a pipe are no error: nothing relies on them."""
    assert read_measured(tmp_path / "car42", DIGEST) is None
    measured_path(tmp_path / "car42").write_bytes(content)
    assert read_measured(tmp_path / "car42", DIGEST) is None
    measured_path(tmp_path / "car42").unlink()
    os.mkfifo(measured_path(tmp_path / "car42"))
    assert read_measured(tmp_path / "car42", DIGEST) is None


def test_figures_without_parts_say_so() -> None:
    """A machine on which neither form could be run leaves a record that can be shown."""
    nothing = msgspec.structs.replace(measured(), parts=(), not_measured=("model: no memory",))
    assert nothing.how().endswith("nothing could be measured")
