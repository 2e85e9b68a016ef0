"""The shared folder is found, skipped where it is absent, and demanded in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import shared_files


def test_real_rigs_and_figures_are_found() -> None:
    """Calibrations and recorded figures are read from the same folder."""
    paths = shared_files.calibrations()
    assert len(paths) >= 103
    document = shared_files.profile_document(paths[0])
    assert document["cameras"][0].keys() == {"name", "size_px", "intrinsic", "lidar2cam"}
    assert shared_files.calibration(paths[0].stem) == paths[0]
    assert "cases" in shared_files.parity("bevformer_hits")


def test_an_absent_folder_skips_and_fails_in_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the folder a test skips with a reason; with CI=true it fails with the same."""
    monkeypatch.setenv(shared_files.ENVIRONMENT, str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no shared calibrations at .*set SPECIALIZE_SHARED"):
        shared_files.calibrations()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no shared calibrations at"):
        shared_files.calibrations()
