"""A release turns fragments into a section of the changelog, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.changelog import HEAD, release, released


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository with two fragments and an empty changelog."""
    folder = tmp_path / "docs" / "changes"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# Changes\n")
    (folder / "b.md").write_text("Second.\nMore of it.\n")
    (folder / "a.md").write_text("First.\n")
    (tmp_path / "CHANGELOG.md").write_text(HEAD)
    return tmp_path


def test_fragments_become_the_newest_section(root: Path) -> None:
    """By name, further lines indented; the fragments go, their README stays; older sections follow."""
    release(root, "0.1.0", "2026-12-01")
    assert [path.name for path in (root / "docs" / "changes").iterdir()] == ["README.md"]
    (root / "docs" / "changes" / "c.md").write_text("Third.\n")
    release(root, "0.2.0", "2027-01-01")
    text = (root / "CHANGELOG.md").read_text()
    assert text == (
        f"{HEAD}\n## 0.2.0 (2027-01-01)\n\n- Third.\n\n"
        "## 0.1.0 (2026-12-01)\n\n- First.\n- Second.\n  More of it.\n"
    )
    assert released(text, "0.2.0") == "- Third.\n\n"
    assert released(text, "0.1.0") == "- First.\n- Second.\n  More of it.\n"


def test_a_version_is_released_once(root: Path) -> None:
    """A second time, or without a fragment, nothing is written."""
    release(root, "0.1.0", "2026-12-01")
    before = (root / "CHANGELOG.md").read_text()
    for version in ("0.1.0", "0.2.0"):
        with pytest.raises(SystemExit, match="a new version and at least one fragment"):
            release(root, version, "2026-12-02")
    assert (root / "CHANGELOG.md").read_text() == before
    with pytest.raises(SystemExit, match=r"a section for 0\.3\.0"):
        released(before, "0.3.0")
