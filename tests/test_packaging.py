"""What a user installs holds all that a checkout holds, and the pins are of what is asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PINS = [
    line for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if not line.startswith("#")
]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and return the folder that it unpacks to."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(REPOSITORY),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def names_below(folder: Path) -> set[str]:
    """Return the tracked files below a folder of the repository, relative to it."""
    listed = subprocess.run(["git", "ls-files", "."], cwd=folder, check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


@pytest.mark.parametrize("name", ["templates", "calib_profiles", "ci", "demo"])
def test_data_reaches_the_wheel(unpacked: Path, name: str) -> None:
    """Every file of the data folders at the top of the repository is inside the package."""
    packed = unpacked / "specialize" / "_data" / name
    found = {str(path.relative_to(packed)) for path in packed.rglob("*") if path.is_file()}
    assert names_below(REPOSITORY / name) <= found


def test_the_package_reaches_the_wheel(unpacked: Path) -> None:
    """Every file of the package is there, sidecars of built-in models and the type marker included."""
    found = {str(path.relative_to(unpacked / "specialize")) for path in (unpacked / "specialize").rglob("*")}
    assert names_below(REPOSITORY / "specialize") <= found
    assert not any(path.name in ("tests", "docs") for path in unpacked.iterdir())


def test_the_wheel_finds_its_data(unpacked: Path) -> None:
    """An installed package finds the data inside itself, and its commands run."""
    script = "from specialize.files.resources import resource_dir; print(resource_dir('calib_profiles'))"
    env = {**os.environ, "PYTHONPATH": str(unpacked)}
    run = {"env": env, "cwd": unpacked, "capture_output": True, "text": True, "check": True}
    found = subprocess.run([sys.executable, "-c", script], **run).stdout.strip()
    assert found == str(unpacked / "specialize" / "_data" / "calib_profiles")
    shown = subprocess.run(
        [sys.executable, "-m", "specialize", "profile", "check", f"{found}/car42.yaml"], **run
    )
    assert "1 of 1 profiles can be used" in shown.stdout


def test_every_dependency_is_pinned() -> None:
    """Every package that pyproject.toml asks for, extras included, has a pin in constraints.txt."""
    extras = [name for group in PROJECT["optional-dependencies"].values() for name in group]
    wanted = {_canonical(name) for name in [*PROJECT["dependencies"], *extras]}
    assert wanted - {_canonical(pin) for pin in PINS} == set()


def test_no_pin_is_of_a_gpu_package() -> None:
    """No GPU package is pinned, torch is exactly the one version, and no pin names a place."""
    assert [pin for pin in PINS if re.search(r"nvidia|cuda|triton|cudnn", pin)] == []
    assert "torch==2.13.0" in PINS
    assert [pin for pin in PINS if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9.]+", pin)] == []


def _canonical(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9_.\-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()
