"""The recipes for CI and containers, line by line in new environments: they install, and then they work.

A runner, a registry and a container are not here; `test_gate.py` tests the same lines without installing anything.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import CAR42, CAR43, REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # packages are installed from an index


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh clone of this repository."""
    place = tmp_path_factory.mktemp("clone") / "specialize"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(place)], check=True)
    return place


@pytest.fixture
def calibrations(tmp_path: Path) -> Path:
    """Return a repository of calibrations in which one vehicle was recalibrated; `base` is the commit before."""
    root = tmp_path / "calibrations"
    root.mkdir()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], cwd=root, check=True)
    for path in (CAR42, CAR43):
        (root / "car.yaml").write_text(path.read_text())
        subprocess.run([*git, "add", "-A"], cwd=root, check=True)
        subprocess.run([*git, "commit", "-qm", path.stem], cwd=root, check=True)
    subprocess.run([*git, "tag", "base", "HEAD~1"], cwd=root, check=True)
    return root


class Machine:
    """A shell with a new Python environment and nothing of this one.

    Args:
        root: Folder for the environment.
    """

    def __init__(self, root: Path) -> None:
        self.bin = root / "venv" / "bin"
        subprocess.run([sys.executable, "-m", "venv", str(self.bin.parent)], check=True)

    def run(self, command: str, cwd: Path, **more: str) -> str:
        """Run a command, require success and return what it prints."""
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | more
        env["PATH"] = f"{self.bin}{os.pathsep}{env['PATH']}"
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def load(path: Path) -> Any:
    """Return a recipe."""
    return yaml.safe_load(path.read_text())


def test_the_action_installs_and_gates(clone: Path, calibrations: Path, tmp_path: Path) -> None:
    """Its shell steps, in order, as a runner would start them."""
    action, machine = load(clone / "action.yml"), Machine(tmp_path)
    inputs = {f"${{{{ inputs.{name} }}}}": one["default"] for name, one in action["inputs"].items()}
    inputs["${{ inputs.base }}"] = "base"
    summary = tmp_path / "summary.md"
    for step in (one for one in action["runs"]["steps"] if "run" in one):
        env = {name: inputs[text] for name, text in step.get("env", {}).items()}
        more = {"GITHUB_ACTION_PATH": str(clone), "GITHUB_STEP_SUMMARY": str(summary)}
        machine.run(step["run"], calibrations, **env, **more)
    assert "### Profiles: can be used" in summary.read_text() and "car.yaml: moved" in summary.read_text()
    assert (calibrations / "comment.md").read_text() == summary.read_text()


def test_the_recipe_of_gitlab_installs_and_gates(clone: Path, calibrations: Path, tmp_path: Path) -> None:
    """Its lines, in order; git is there already, so that no package of the system is installed."""
    job, machine = load(clone / "ci" / "gitlab.yml")["specialize-calibrations"], Machine(tmp_path)
    env = {**job["variables"], "SPECIALIZE": str(clone), "CI_MERGE_REQUEST_DIFF_BASE_SHA": "base"}
    lines = [line for line in [*job["before_script"], *job["script"]] if not line.startswith("apt-get ")]
    assert len(lines) == len(job["before_script"]) + len(job["script"]) - 1
    said = machine.run("\n".join(lines), calibrations, **env)
    assert "### Profiles: can be used" in said and "car.yaml: moved" in said


def test_the_lines_of_the_image_work(clone: Path, tmp_path: Path) -> None:
    """Each stage in an environment of its own: what RUN does works, and the entry point starts.

    Folders of the image are in a temporary one, and no user is added to this system.
    """
    text = re.sub(r"\\\n\s*", "", (clone / "Dockerfile").read_text())
    image = tmp_path / "image"
    image.mkdir()
    (image / "source").symlink_to(clone)
    for number, stage in enumerate(re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]):
        machine = Machine(tmp_path / f"stage{number}")
        for name in ("useradd", "chown"):
            (machine.bin / name).write_text("#!/bin/sh\n")
            (machine.bin / name).chmod(0o755)
        (image / "wheel").mkdir(exist_ok=True)
        (image / "wheel" / "constraints.txt").write_text((clone / "constraints.txt").read_text())
        for line in re.findall(r"^RUN (.*)$", stage, re.MULTILINE):
            machine.run(
                re.sub(r"(?<![\w.])/(source|wheel|work|store)\b", rf"{image}/\1", line), tmp_path, EXTRAS=""
            )
    entry = [yaml.safe_load(part) for part in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", stage, re.MULTILINE)]
    said = machine.run(
        shlex.join([*entry[0], *entry[1]]), image / "work", SPECIALIZE_STORE=str(image / "store")
    )
    assert "Usage: specialize" in said
    assert not (image / "wheel").exists() and (image / "store").stat().st_mode & 0o1777 == 0o1777
