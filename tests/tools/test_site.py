"""The site has every page, in its navigation, with what it links to."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.site import REPOSITORY, gather, in_navigation, pages

NOT_IN_NAVIGATION = ("docs/decisions/0",)
"""What an index page lists."""


def test_every_page_is_in_the_navigation() -> None:
    """Each page of the site, once, and nothing else but the API."""
    listed = in_navigation(REPOSITORY / "mkdocs.yml")
    shown = [str(page) for page in pages(REPOSITORY) if not str(page).startswith(NOT_IN_NAVIGATION)]
    assert sorted(listed) == sorted([*shown, "api/specialize.html"])
    assert len(listed) == len(set(listed))


def test_a_page_comes_with_what_it_links(tmp_path: Path) -> None:
    """Pictures and files that a page links are copied; links to hosts, folders and what is not there are not."""
    root, room = tmp_path / "repository", tmp_path / "site"
    (root / "docs" / "more").mkdir(parents=True)
    (root / "docs" / "a.md").write_text(
        "![p](p.svg) [code](../code.py#L3) [b](more) [c](https://host/x) [d](gone.md)"
    )
    (root / "docs" / "p.svg").write_text("<svg/>")
    (root / "code.py").write_text("1")
    (root / "left.py").write_text("2")
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    assert gather(root, room) == [Path("docs/a.md")]
    copied = {str(path.relative_to(room)) for path in room.rglob("*") if path.is_file()}
    assert copied == {"docs/a.md", "docs/p.svg", "code.py"}
