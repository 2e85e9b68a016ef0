"""Every family, image to outputs, through the one compiler: built for car42, equal, and within the memory stated."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from specialize.files.resources import resource_dir
from tools import evidence_models
from tools.evidence_models import Evidence, as_table, measure

CAR42 = resource_dir("calib_profiles") / "car42.yaml"
FRAMES = {"bevformer_base": 1, "bevformer_small": 1, "surroundocc": 1}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the builds of one model a store, and take the gigabytes away afterwards."""
    root = tmp_path / "store"
    monkeypatch.setenv("SPECIALIZE_STORE", str(root))
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model", evidence_models.MODELS)
def test_every_family_builds_in_both_layouts(model: str, store: Path, tmp_path: Path) -> None:
    """Both builds verify, drop work, and stay within 12 GiB, without leave to build what is unchanged."""
    for layout in evidence_models.LAYOUTS:
        found = measure(model, layout, CAR42, tmp_path / layout, FRAMES.get(model, 2))
        assert found.verified, found.error
        assert found.peak_bytes <= evidence_models.MOST_BYTES, f"{found.peak_bytes / 2**30:.2f} GiB"
        assert found.model_flops[1] < found.model_flops[0]


def test_a_build_that_fails_is_evidence_of_failure(store: Path, tmp_path: Path) -> None:
    """What the build complains of is kept, and its row says that it failed."""
    found = measure("bevformer_tny", "ragged", CAR42, tmp_path / "build")
    assert not found.passed
    assert "did you mean 'bevformer_tiny'" in found.error
    assert "FAILED" in as_table([found])


def test_too_much_memory_is_a_failure() -> None:
    """A build that is equal but needs more than was promised does not pass."""
    within = Evidence(model="m", layout="ragged", seconds=1.0, peak_bytes=12 * 2**30, verified=True)
    beyond = Evidence(model="m", layout="ragged", seconds=1.0, peak_bytes=12 * 2**30 + 1, verified=True)
    assert within.passed
    assert not beyond.passed
