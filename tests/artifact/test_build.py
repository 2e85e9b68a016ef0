"""A build opens only if its files match its manifest."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from specialize.artifact import Build, build_digests, record_files, write_manifest
from specialize.digest import digest_bytes
from specialize.errors import InputError
from tests.artifact.examples import manifest, model_of
from tests.cli.builds import make_build as make_cli_build
from tests.cli.running import CAR42, CAR43


def make_build(folder: Path) -> Path:
    """Write a build of two small files."""
    (folder / "onnxruntime").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model_of(manifest()))
    (folder / "onnxruntime" / "tables.bin").write_bytes(b"tables")
    write_manifest(folder, record_files(folder, manifest()))
    return folder


def test_a_build_opens(tmp_path: Path) -> None:
    """A build that was written opens and is intact, files in subfolders included."""
    build = Build.open(make_build(tmp_path / "car42"))
    build.require_intact()
    assert sorted(build.manifest.files) == ["model.onnx", "onnxruntime/tables.bin"]
    assert build.model.read_bytes() == model_of(manifest())


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
    good = model_of(manifest())
    (make_build(tmp_path / "car42") / "model.onnx").write_bytes(good[:-2])
    with pytest.raises(InputError, match=f"expected {len(good)} bytes, got {len(good) - 2} bytes"):
        Build.open(tmp_path / "car42")


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """A file of the same size with other content opens, but is not intact."""
    good = model_of(manifest())
    (make_build(tmp_path / "car42") / "model.onnx").write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    Build.open(tmp_path / "car42").require_intact(["onnxruntime/tables.bin"])
    for use in (Build.intact, build_digests):
        with pytest.raises(InputError, match="expected sha256"):
            use(tmp_path / "car42")


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_file_of_another_build_is_refused(tmp_path: Path, name: str) -> None:
    """A manifest and a model that are whole, but not of one build, are no build, whatever the records say."""
    made, other = make_build(tmp_path / "a"), msgspec.structs.replace(manifest(), align=1)
    if name == "model.onnx":
        (made / name).write_bytes(model_of(other))
    write_manifest(made, record_files(made, manifest() if name == "model.onnx" else other))
    with pytest.raises(InputError, match="contract digest"):
        Build.intact(made)


def test_a_build_is_a_tree_of_digests(tmp_path: Path) -> None:
    """The digests of all files, the manifest's own among them, are what is to be signed."""
    made = make_build(tmp_path / "car42")
    found = build_digests(made)
    assert list(found) == ["manifest.json", "model.onnx", "onnxruntime/tables.bin"]
    assert all(digest == digest_bytes((made / name).read_bytes()) for name, digest in found.items())


def test_a_build_knows_its_calibration(tmp_path: Path) -> None:
    """The profile in the folder must be the one that the manifest names."""
    build = Build.intact(make_cli_build(tmp_path / "car42", CAR42))
    assert build.calibration().digest == build.manifest.digests.profile
    build.profile.write_bytes(CAR43.read_bytes())
    with pytest.raises(InputError, match=r"profile\.yaml: expected car42 with profile"):
        build.calibration()


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/model.onnx"])
def test_a_manifest_cannot_lead_outside(tmp_path: Path, name: str) -> None:
    """A manifest that names a file outside the build is refused before the file is touched."""
    build = Build.open(make_build(tmp_path / "car42"))
    files = {name: build.manifest.files["model.onnx"]}
    write_manifest(build.folder, msgspec.structs.replace(build.manifest, files=files))
    with pytest.raises(InputError, match="names inside the build"):
        Build.open(tmp_path / "car42")
