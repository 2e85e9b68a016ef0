"""A build opens only if its files are the ones that it vouches for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialize.artifact import Build, record_files, write_manifest
from specialize.errors import InputError
from tests.artifact.examples import manifest


def make_build(folder: Path) -> Path:
    """Write a build of two small files."""
    (folder / "onnxruntime").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"model")
    (folder / "onnxruntime" / "tables.bin").write_bytes(b"tables")
    write_manifest(folder, record_files(folder, manifest()))
    return folder


def test_a_build_opens(tmp_path: Path) -> None:
    """A build that was written opens and is intact, files in subfolders included."""
    build = Build.open(make_build(tmp_path / "car42"))
    build.require_intact()
    assert sorted(build.manifest.files) == ["model.onnx", "onnxruntime/tables.bin"]
    assert build.model.read_bytes() == b"model"


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """The manifest of the same files is the same, and does not list itself."""
    first = (make_build(tmp_path / "a") / "manifest.json").read_bytes()
    assert (make_build(tmp_path / "b") / "manifest.json").read_bytes() == first


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A build without one of its files does not open."""
    (make_build(tmp_path / "car42") / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"model\.onnx: expected a file of the build, got no such file"):
        Build.open(tmp_path / "car42")


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    """A build with a file of another size does not open."""
    (make_build(tmp_path / "car42") / "model.onnx").write_bytes(b"mod")
    with pytest.raises(InputError, match="expected 5 bytes, got 3 bytes"):
        Build.open(tmp_path / "car42")


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """A file of the same size with other content opens, but is not intact."""
    (make_build(tmp_path / "car42") / "model.onnx").write_bytes(b"modem")
    with pytest.raises(InputError, match="expected sha256"):
        Build.open(tmp_path / "car42").require_intact()


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/model.onnx"])
def test_a_manifest_cannot_lead_outside(tmp_path: Path, name: str) -> None:
    """A manifest that names a file outside the build is refused before the file is touched."""
    path = make_build(tmp_path / "car42") / "manifest.json"
    data = json.loads(path.read_text())
    data["files"] = {name: data["files"]["model.onnx"]}
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="names inside the build"):
        Build.open(tmp_path / "car42")
