"""What the main commands show on terminals of 60, 80, 100 and 140 columns: no word is cut, no cell is lost."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from specialize.cli.app import run
from specialize.cli.render_build import build_text
from specialize.text.document import Document
from tests.artifact.examples import measured
from tests.cli.builds import make_build
from tests.cli.running import CAR42, REPOSITORY
from tests.cli.test_render import OUTCOME
from tests.cli.test_tables import WIDTHS, on_terminal
from tests.golden_files import check_golden

FLEET = "calib_profiles/demo_fleet"
COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check", "car42", "--calib", "calib_profiles/car43.yaml"),
    "inspect": ("inspect", "car42"),
    "plan": ("plan", "--calib", "calib_profiles/car42.yaml"),
    "models": ("models",),
    "targets": ("targets",),
    "profile_check": ("profile", "check", "calib_profiles/car42.yaml", "bad.yaml"),
    "profile_show": ("profile", "show", "calib_profiles/car42.yaml"),
    "profile_coverage": ("profile", "coverage", "calib_profiles/car42.yaml"),
    "fleet_diff": ("fleet", "diff", FLEET),
    "fleet_plan": ("fleet", "plan", FLEET, "--dry-run"),
}
"""Name of a golden text -> the command that shows it."""

UNBROKEN = ("next: ", "      specialize ")
"""Beginnings of lines that are commands to be copied; one longer than the terminal is left to it."""


CHANGING = (
    (r"in \d+\.\d s", "in 0.5 s"),
    (r"(profile\.yaml +)\d+\.\d KiB", r"\g<1>3.0 KiB"),
    (r"\b[0-9a-f]{12}\b", "0123456789ab"),
)
"""What differs from one run to the next, or with the code -> what stands in golden texts instead."""


def steady(text: str) -> str:
    """Return a text without what changes with machine and code: times, the size of a commented file, digests."""
    for changing, kept in CHANGING:
        text = re.sub(changing, kept, text)
    return text


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store_dir: Path) -> dict[str, Document]:
    """Return what each command shows, run in a folder with profiles and a build, and what a build shows."""
    found: list[Document] = []
    monkeypatch.setattr("specialize.cli.results.print_text", found.append)
    (tmp_path / "calib_profiles").symlink_to(REPOSITORY / "calib_profiles")
    (tmp_path / "bad.yaml").write_text(
        CAR42.read_text().replace("size_px: [1600, 900]", "size_px: [800, 450]", 1)
    )
    make_build(tmp_path / "car42", CAR42)
    monkeypatch.chdir(tmp_path)
    assert [run(words) for words in COMMANDS.values()] == [3, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    return {
        "build": build_text(replace(OUTCOME, measured=measured())),
        **dict(zip(COMMANDS, found, strict=True)),
    }


def test_what_commands_show_is_as_agreed(shown: dict[str, Document]) -> None:
    """Every command at every width: the agreed text, of lines that fit, with every word of the widest."""
    assert len(shown) == len(COMMANDS) + 1
    for name, document in shown.items():
        shots = {width: on_terminal(document, width) for width in WIDTHS}
        texts = {width: steady(text) for width, text in shots.items()}
        for width, text in texts.items():
            check_golden(f"widths/{name}_{width}.txt", text)
            long = [line for line in text.splitlines() if len(line) > width and not line.startswith(UNBROKEN)]
            assert long == [], (name, width)
            assert set(texts[max(WIDTHS)].split()) <= set(text.split()), (name, width)
