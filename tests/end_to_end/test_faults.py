"""Kills, signals, full disks and lost folders at any step: nothing half-written, and the next run is as any other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from specialize.fleet.lock import NAME
from tests.calibration import authored
from tests.cli.running import CAR42, CAR43, REPOSITORY
from tests.end_to_end.tiny_model import write_tiny
from tests.fleet.fleets import write_fleet
from tests.fleet.test_importing import write_sources

Command = Callable[[Path], list[str]]

TRIES = {"kill": 5, "SIGTERM": 2, "SIGHUP": 1, "size": 3, "vanish": 2}


def specialize(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line that must succeed, with the store below a folder."""
    env = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "SPECIALIZE_STORE": str(folder / "store"),
        **environment,
    }
    command = [sys.executable, "-m", "specialize", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


def start_of_build(start: Path) -> None:
    """A model and an empty store."""
    write_tiny(start / "model")
    (start / "store").mkdir()


def start_of_fleet(start: Path) -> None:
    """A planned fleet of two, nothing built."""
    start_of_build(start)
    write_fleet(start / "fleet", authored.CAR42, 2)
    model = str(start / "model" / "tiny.onnx")
    ran = specialize(start, "fleet", "plan", str(start / "fleet"), "--model", model, "--frames", "1", "-o",
                     str(start / "fleet" / NAME))  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def start_of_import(start: Path) -> None:
    """Five calibrations as plain matrices."""
    (start / "store").mkdir(parents=True)
    write_sources(start / "source", 5)


def start_of_collection(start: Path) -> None:
    """A store with two models, one of which nothing names any more."""
    start_of_build(start)
    for calib, name in ((CAR42, "tiny"), (CAR43, "other")):
        weights = write_other(start / name) if name == "other" else start / "model" / "tiny.onnx"
        ran = specialize(
            start,
            "build",
            "--calib",
            str(calib),
            "--model",
            str(weights),
            "-o",
            str(start / "builds" / name),
            "--frames",
            "1",
        )
        assert ran.returncode == 0, ran.stderr
    entry, *_ = sorted((start / "store" / "entries").glob("*/*.json"))
    entry.unlink()


def write_other(folder: Path) -> Path:
    """Write the tiny model with another name inside, which makes it another model."""
    path = write_tiny(folder)
    model = onnx.load(path)
    model.graph.name = "other"
    onnx.save(model, path)
    return path


COMMANDS: dict[str, tuple[Callable[[Path], None], Command]] = {
    "build": (
        start_of_build,
        lambda work: ["build", "--calib", str(CAR42), "--model", f"{work}/model/tiny.onnx", "--frames", "1",
                      "-o", f"{work}/out/car42"],
    ),
    "fleet build": (
        start_of_fleet,
        lambda work: ["fleet", "build", f"{work}/fleet", "--jobs", "1", "-o", f"{work}/out"],
    ),
    "fleet import": (
        start_of_import,
        lambda work: ["fleet", "import", "lidar2img", *(str(path) for path in sorted((work / "source").iterdir())),
                      "-O", "size=1600x900", "--jobs", "1", "-o", f"{work}/out"],
    ),
    "store gc": (start_of_collection, lambda work: ["store", "gc", "--grace", "0"]),
}  # fmt: skip


@pytest.fixture(scope="module", params=COMMANDS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what became of one command under every fault."""
    folder = tmp_path_factory.mktemp(str(request.param).replace(" ", "-"))
    prepare, command = COMMANDS[request.param]
    # The folder that commands name is `work`; what they start from is made there once and kept as `start`.
    prepare(folder / "work")
    shutil.copytree(folder / "work", folder / "start")
    asked = folder / "request.json"
    asked.write_text(
        json.dumps({"arguments": command(folder / "work"), "folder": str(folder), "faults": TRIES})
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SPECIALIZE_STORE": str(folder / "work" / "store")}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.end_to_end.faults", str(asked)],
        env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=550, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_undisturbed_it_works(outcome: dict[str, Any]) -> None:
    """The command does something, in more steps than are disturbed."""
    for campaign in outcome.values():
        assert campaign["code"] == 0, campaign["err"]
        assert campaign["steps"] > TRIES["kill"]


@pytest.mark.parametrize("fault", TRIES)
def test_the_next_run_ends_as_an_undisturbed_one(outcome: dict[str, Any], fault: str) -> None:
    """Run again, the command leaves the files of an undisturbed run, byte by byte, and no others."""
    for tried in outcome[fault]["tries"]:
        assert tried["again"] == 0, tried
        if fault != "vanish":  # a store that vanished has lost what other commands put there
            assert tried["differing"] == [], tried


@pytest.mark.parametrize(("fault", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_is_told_and_cleans_up(outcome: dict[str, Any], fault: str, code: int) -> None:
    """The exit code is the shell's, the text names the signal, and nothing is left behind."""
    for tried in outcome[fault]["tries"]:
        assert tried["hit"]["code"] == code, tried
        assert f"ended by {fault}" in tried["hit"]["err"]
        assert not [name for name in tried["left"] if "tmp" in name or "/store/tmp/" in name], tried["left"]


@pytest.mark.parametrize("fault", ["size", "vanish"])
def test_a_full_disk_or_a_lost_store_is_one_clear_error(outcome: dict[str, Any], fault: str) -> None:
    """Exit 1 with what to do, or 0 where the fault came too late to matter; never a bug report."""
    codes = {tried["hit"]["code"] for tried in outcome[fault]["tries"]}
    assert codes <= {0, 1}, [tried["hit"] for tried in outcome[fault]["tries"]]
    for tried in outcome[fault]["tries"]:
        if tried["hit"]["code"]:
            text = tried["hit"]["err"]
            assert "expected" in text and ("error: " in text or "failed " in text), text
        assert not [name for name in tried["left"] if name.startswith("out/")], tried["left"]


@pytest.mark.parametrize("locked", ["out", "store"])
def test_a_folder_that_may_not_be_written_is_one_clear_error(locked: str, tmp_path: Path) -> None:
    """Permissions bind everybody but an all-powerful root, whose powers are dropped for this."""
    start_of_build(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / locked).chmod(0o555)
    command = COMMANDS["build"][1](tmp_path)
    powers = (
        ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"] if os.getuid() == 0 else []
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SPECIALIZE_STORE": str(tmp_path / "store")}
    ran = subprocess.run(
        [*powers, sys.executable, "-m", "specialize", *command],
        env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    (tmp_path / locked).chmod(0o755)
    assert ran.returncode == 1, ran.stderr
    assert "expected permission to read and write" in ran.stderr and "hint: " in ran.stderr
    assert list((tmp_path / "out").iterdir()) == []
