"""The gate of a repository of calibrations: what it refuses, what it tells, and the recipes that call it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import CAR42, CAR43, REPOSITORY
from tests.end_to_end.tiny_model import write_tiny

GATE = REPOSITORY / "ci" / "gate.sh"


@dataclass(frozen=True, slots=True)
class Gate:
    """A repository of calibrations with a command line to run the gate with."""

    root: Path
    bin: Path

    def git(self, *words: str) -> str:
        """Run git and return what it prints."""
        name = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *name, *words], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self) -> str:
        """Commit all files and return the commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", "calibrations")
        return self.git("rev-parse", "HEAD")

    def run(self, command: str = f"bash {GATE}", **more: str) -> subprocess.CompletedProcess[str]:
        """Run the gate as a shell of CI does."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PROFILES": "calibrations", **more}
        return subprocess.run(
            ["bash", "-ec", command], cwd=self.root, env=env, capture_output=True, text=True, check=False
        )


@pytest.fixture
def gate(tmp_path: Path, store_dir: Path) -> Gate:
    """Return a repository with one calibration, not yet committed."""
    made = Gate(tmp_path / "repository", tmp_path / "bin")
    (made.root / "calibrations").mkdir(parents=True)
    made.bin.mkdir()
    for name, module in (("specialize", "-m specialize"), ("python", "")):
        script = made.bin / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} {module} "$@"\n')
        script.chmod(0o755)
    (made.root / "calibrations" / "car42.yaml").write_text(CAR42.read_text())
    (made.root / "calibrations" / "other.yaml").write_text("not: a profile\n")
    made.git("init", "-q")
    return made


def test_what_moved_is_told_and_not_refused(gate: Gate) -> None:
    """A recalibration passes, and the comment has its difference; one with the same text is not mentioned."""
    base = gate.commit()
    (gate.root / "calibrations" / "car42.yaml").write_text(CAR43.read_text())
    gate.commit()
    ran = gate.run(BASE=base)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    text = (gate.root / "comment.md").read_text()
    assert "### Profiles: can be used" in text and "### calibrations/car42.yaml: moved" in text
    assert "2 queries of bevformer_tiny gained, 7 lost" in text and "other.yaml" not in text
    assert ran.stdout == text


def test_an_unusable_profile_is_refused(gate: Gate) -> None:
    """The finding is in the comment; with a model, so is a profile that does not fit it."""
    (gate.root / "calibrations" / "bad.yaml").write_text(
        CAR42.read_text().replace("intrinsic", "intrinsik", 1)
    )
    gate.commit()
    ran = gate.run()
    assert ran.returncode == 1
    assert "### Profiles: not all can be used" in ran.stdout and "intrinsik" in ran.stdout


def test_a_repository_without_profiles_is_refused(gate: Gate) -> None:
    """A wrong folder must not pass as a good one."""
    gate.commit()
    ran = gate.run(PROFILES="nowhere")
    assert ran.returncode == 1 and "no file below nowhere" in ran.stdout


def test_a_stale_build_of_a_fleet_is_refused(gate: Gate) -> None:
    """A calibration changed after the plan: plan again."""
    model = write_tiny(gate.root)
    done = gate.run(f"specialize fleet plan calibrations --model {model} --mode exact")
    assert done.returncode in (0, 1), done.stderr
    (gate.root / "calibrations" / "other.yaml").unlink()
    gate.commit()
    assert gate.run().returncode == 0, gate.run().stdout
    (gate.root / "calibrations" / "car42.yaml").write_text(CAR43.read_text().replace("car43", "car42"))
    ran = gate.run()
    assert ran.returncode == 1 and "### calibrations/fleet.lock: plan and build again" in ran.stdout


def load(name: str) -> Any:
    """Return a recipe."""
    return yaml.safe_load((REPOSITORY / name).read_text())


def test_the_action_runs_the_gate(gate: Gate) -> None:
    """Its last step, as it stands, writes the comment and the summary, and passes the exit code on."""
    base = gate.commit()
    action = load("action.yml")
    step = action["runs"]["steps"][-1]
    values = {f"${{{{ inputs.{name} }}}}": one["default"] for name, one in action["inputs"].items()}
    given = {name: values[text] for name, text in step["env"].items()} | {
        "BASE": base,
        "PROFILES": "calibrations",
    }
    summary = gate.root.parent / "summary.md"
    more = {"GITHUB_ACTION_PATH": str(REPOSITORY), "GITHUB_STEP_SUMMARY": str(summary), **given}
    assert gate.run(step["run"], **more).returncode == 0
    assert "can be used" in summary.read_text()
    assert gate.run(step["run"], **{**more, "PROFILES": "nowhere"}).returncode == 1


def test_the_recipe_of_gitlab_runs_the_gate(gate: Gate) -> None:
    """Its script, as it stands, finds the gate in the installed package."""
    base = gate.commit()
    job = load("ci/gitlab.yml")["specialize-calibrations"]
    ran = gate.run(
        "\n".join(job["script"]),
        CI_MERGE_REQUEST_DIFF_BASE_SHA=base,
        **{**job["variables"], "PROFILES": "calibrations"},
    )
    assert ran.returncode == 0 and "can be used" in ran.stdout, ran.stderr


def test_the_hook_checks_profiles(gate: Gate) -> None:
    """Its command takes files, and finds those of the guide."""
    (hook,) = load(".pre-commit-hooks.yaml")
    profile = "calibrations/car42.yaml"
    assert re.search(hook["files"], profile)
    assert gate.run(f"{hook['entry']} {profile}").returncode == 0
    assert gate.run(f"{hook['entry']} calibrations/other.yaml").returncode == 1


def test_the_image_has_no_rights_and_what_it_copies_is_there() -> None:
    """The container runs as a user, its last stage has no source, and every file that is copied into it exists."""
    text = (REPOSITORY / "Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER specialize\n" in last and "COPY . " not in last
    copied = re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE)
    assert copied and all((REPOSITORY / name).exists() for name in copied)
