"""The tutorial works as written: every command and every piece of Python, in order."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import REPOSITORY, run_process
from tests.report.browsing import chromium, open_report

TUTORIAL = REPOSITORY / "docs" / "guides" / "tutorial.md"
BLOCK = re.compile(r"^```(py|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(1800)
def test_the_tutorial_runs_from_top_to_bottom(
    tmp_path: Path, shared_store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step succeeds where the page says so, and what the page promises is there at the end."""
    shutil.copytree(REPOSITORY / "calib_profiles", tmp_path / "calib_profiles")
    monkeypatch.chdir(tmp_path)
    for language, body in BLOCK.findall(TUTORIAL.read_text()):
        if language == "py":
            exec(compile(body, "tutorial", "exec"), {})
            continue
        for line in body.splitlines():
            _run(line.removeprefix("$ "), tmp_path, shared_store_dir)
    made = {path.name for path in (tmp_path / "build" / "car42").iterdir()}
    assert {"model.onnx", "weights.bin", "manifest.json", "profile.yaml", "report.html"} <= made
    assert "Measured times" in (tmp_path / "car42.html").read_text(encoding="utf-8")
    with chromium() as browser:
        _answers(browser, tmp_path / "build" / "car42" / "report.html")
        _answers(browser, tmp_path / "car42.html")
    assert "Cells gained and lost" in (tmp_path / "moved.html").read_text(encoding="utf-8")


def _answers(browser: Any, report: Path) -> None:
    """Assert that a report is small, opens without an error, and answers what a new user asks."""
    assert report.stat().st_size < 1_000_000
    page, troubles = open_report(browser, report)
    facts = page.locator(".fact dt").all_text_contents()
    assert facts == ["Is it proven?", "How much is saved?", "Which camera costs most?", "Which calibration?"]
    assert page.locator(".fact .answer").all_text_contents()[-2:] == ["CAM_BACK", "car42"]
    assert page.locator("svg").count() > 6 and troubles == []


def _run(line: str, folder: Path, store: Path) -> None:
    command, _, remark = line.partition("  #")
    words = shlex.split(command)
    ran = run_process(*words[1:], cwd=folder, timeout_s=600, SPECIALIZE_STORE=str(store))
    stale = "exits 3" in remark or words[1] == "diff"
    assert ran.code == (3 if stale else 0), f"{line}\n{ran.err}"
