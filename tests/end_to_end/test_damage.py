"""What a disk damages is noticed by the command that relies on it, and made again by the one that can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.artifact import Build
from specialize.compiler.generic import generic_model, model_again
from specialize.digest import digest, digest_bytes
from specialize.request import BuildRequest
from specialize.store import open_store
from tests.cli.running import CAR42, CAR43, Ran, run_here
from tests.end_to_end.tiny_model import SPEC, tiny_model


@pytest.fixture
def model(tmp_path: Path, store_dir: Path) -> Path:
    """Return the tiny model with its weights in a file of their own, as large exports have them."""
    path = tmp_path / "model" / "tiny.onnx"
    path.parent.mkdir()
    onnx.save(tiny_model(), path, save_as_external_data=True, location="tiny.weights", size_threshold=1024)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def flip_signs(path: Path, count: int = 4) -> None:
    """Flip the sign of four float32 numbers that are no small ones, as a bad memory does."""
    path.chmod(0o644)
    numbers = np.frombuffer(path.read_bytes(), "<u4").copy()
    large = np.flatnonzero(np.abs(numbers.view("<f4")) > 0.3)
    numbers[large[:: max(len(large) // count, 1)][:count]] ^= 0x80000000
    path.write_bytes(numbers.tobytes())


@pytest.mark.parametrize("name", ["weights.bin", "original/tiny.weights", "prepared.onnx"])
def test_a_damaged_object_makes_no_build(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A second vehicle's build ends with an error that names the object; after a repair, the model is adopted again."""

    def build(calib: Path, folder: str) -> Ran:
        return run_here(capsys, "build", "--calib", calib, "--model", model, "-o", tmp_path / folder)

    assert build(CAR42, "car42").code == 0
    store = open_store()
    (entry,) = (entry for entry in store.entries() if entry.kind == "export")
    digest = entry.objects[name]
    flip_signs(store.locate(digest))
    ran = build(CAR43, "car43")
    assert ran.code == 1
    assert digest in ran.err and "store check --repair" in ran.err
    assert not (tmp_path / "car43").exists()
    assert run_here(capsys, "verify", tmp_path / "car42").code == 1
    assert run_here(capsys, "store", "check").code == 1
    assert run_here(capsys, "store", "check", "--repair").code == 0
    assert build(CAR43, "car43").code == 0
    assert run_here(capsys, "verify", tmp_path / "car42").code == 0
    assert run_here(capsys, "store", "check").code == 0


def test_the_reference_is_the_users_own_file(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a proof compares with has the bytes of the user's files, which the digest of the model names."""
    assert run_here(capsys, "build", "--calib", CAR42, "--model", model, "-o", tmp_path / "car42").code == 0
    store, manifest = open_store(), Build.intact(tmp_path / "car42").manifest
    generic = model_again(manifest.source, SPEC, store, lambda line: None)
    assert manifest.source["reference"] == "the user's file"
    files = {
        name: path.read_bytes()
        for name, path in (("model.onnx", model), ("tiny.weights", model.with_name("tiny.weights")))
    }
    with generic.unpacked(store) as parts:
        reference = generic.reference(parts)
        assert {name: (reference.parent / name).read_bytes() for name in files} == files
        assert reference.name == "model.onnx"
    expected = digest({f"original/{name}": digest_bytes(data) for name, data in files.items()})
    assert manifest.digests.model == expected


def test_a_file_that_the_runtime_does_not_open_is_written_anew(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime reads no shapes from external data; such a model is still verified, with a warning."""
    onnx.save(tiny_model(), model, save_as_external_data=True, location="all.weights", size_threshold=0)
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", model, "-o", tmp_path / "car42")
    assert ran.code == 0, ran.err
    manifest = Build.intact(tmp_path / "car42").manifest
    assert manifest.source["reference"] == "written anew"
    assert any("does not open the model as it is" in warning for warning in manifest.warnings)


def test_a_changed_weights_file_is_another_model(model: Path) -> None:
    """External data is part of a model: when a file changes, the model is adopted again."""
    request = BuildRequest(calib=CAR42, model=str(model))
    first = generic_model(request, open_store(), print)
    flip_signs(model.with_name("tiny.weights"))
    second = generic_model(request, open_store(), print)
    assert first.digest != second.digest
    assert first.entry.objects["original/model.onnx"] == second.entry.objects["original/model.onnx"]
