"""README.md shows what was measured of installations, and what the demo prints."""

from __future__ import annotations

import json
import re

from tools.install_size import DEMO, INSTALLATIONS, MEASURED, README, REPOSITORY, in_readme, table


def test_the_readme_shows_what_was_measured() -> None:
    """The table and the output of the demo are those of the files that `make install-size` writes."""
    text, measured, demo = README.read_text(), json.loads(MEASURED.read_text()), DEMO.read_text()
    assert in_readme(text, table(measured), demo) == text
    assert in_readme(text, table(measured), f"{demo}more\n") != text


def test_nothing_is_left_of_an_uninstalled_package() -> None:
    """`pip uninstall` left no file of the package in any environment."""
    measured = json.loads(MEASURED.read_text())
    assert not any(found["left_by_uninstall"] for found in measured.values())


def test_what_developers_install_is_measured() -> None:
    """The extras of the last line are those of `make install`."""
    extras = re.search(r"^EXTRAS := (\S+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert extras is not None and INSTALLATIONS["make install"][1] == extras[1]
