"""An installation says what it can do, and what to install for the rest."""

from __future__ import annotations

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest

from specialize.cli.output import to_text
from specialize.cli.render_doctor import doctor_text
from specialize.explain.doctor import EXTRAS, examine
from tests.cli.running import REPOSITORY, run_here


def test_every_optional_part_is_known() -> None:
    """Those of pyproject.toml, without what only work on this code needs."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert {*EXTRAS} == {*project["optional-dependencies"]} - {"test", "docs", "dev"}
    names = {package.name for package in examine().needed}
    assert names == {line.partition(">")[0] for line in project["dependencies"]}


def test_what_is_missing_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch, store_dir: Path) -> None:
    """A part without one of its packages, and a package without which nothing works."""
    versions = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("torch", "scipy"):
            raise importlib.metadata.PackageNotFoundError(name)
        return versions(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    found = examine()
    assert found.missing == ("scipy",)
    assert {extra.name for extra in found.extras if "torch" in extra.missing} == {"zoo"}
    text = to_text(doctor_text(found))
    assert "pip install 'specialize[zoo]'" in text and "error: missing: scipy" in text


def test_doctor_shows_versions_and_store(store_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole installation exits 0; the store that is not there yet is not made."""
    ran = run_here(capsys, "doctor", "--json")
    found = json.loads(ran.out)
    assert ran.code == 0 and found["ok"]
    assert {package["name"]: package["version"] for package in found["needed"]}["numpy"]
    assert found["store"]["place"] == str(store_dir) and found["store"]["bytes"] == 0
    assert not store_dir.exists()
    assert "ready" in run_here(capsys, "doctor").out
