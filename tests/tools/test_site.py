"""The site has every page, in its navigation, with what it links to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tools.site import REPOSITORY, gather, in_navigation, missing, pages

NOT_IN_NAVIGATION = ("docs/decisions/0",)
"""What an index page lists."""


def test_every_page_is_in_the_navigation() -> None:
    """Each page of the site, once, and nothing else but the API."""
    listed = in_navigation(REPOSITORY / "mkdocs.yml")
    found = [str(page.with_suffix(".md")) for page in pages(REPOSITORY)]
    shown = [page for page in found if not page.startswith(NOT_IN_NAVIGATION)]
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


def test_notebooks_become_pages(tmp_path: Path) -> None:
    """A notebook is a page with its outputs and a link to its file; links to it lead to the page."""
    root, room = tmp_path / "repository", tmp_path / "site"
    (root / "docs" / "notebooks").mkdir(parents=True)
    (root / "docs" / "a.md").write_text("[n](notebooks/n.ipynb) [o](https://host/o.ipynb)")
    cell = {"cell_type": "code", "source": ["1"], "outputs": [{"text": ["1\n"]}], "execution_count": 1}
    title = {"cell_type": "markdown", "source": ["# N\n", "[a](../a.md)"]}
    (root / "docs" / "notebooks" / "n.ipynb").write_text(json.dumps({"cells": [title, cell]}))
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    gather(root, room)
    assert (room / "docs" / "a.md").read_text() == "[n](notebooks/n.md) [o](https://host/o.ipynb)"
    page = (room / "docs" / "notebooks" / "n.md").read_text()
    assert "```python\n1\n```\n\n```text\n1\n```" in page and "[download it](n.ipynb)" in page


def test_a_page_that_was_not_built_is_named(tmp_path: Path) -> None:
    """What the navigation names and the site lacks fails `make docs`: mkdocs itself only mentions it."""
    (tmp_path / "mkdocs.yml").write_text("nav: [README.md, {More: [docs/a.md, docs/README.md]}]")
    (tmp_path / "docs").mkdir()
    for name in ("index.html", "docs/a.html"):
        (tmp_path / name).touch()
    assert missing(tmp_path / "mkdocs.yml", tmp_path) == ["docs/README.md"]
