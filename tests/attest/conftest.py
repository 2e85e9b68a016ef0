"""Builds that all tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attest.builds import Made, make_builds, write_keys


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return the builds; tests copy what they change."""
    return make_builds(tmp_path_factory.mktemp("attest"))


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """Return a private key and its public key."""
    return write_keys(tmp_path)
