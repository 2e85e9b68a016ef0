"""Gather what the site is built from: the pages and notebooks that git tracks, what they show or link, and the API.

`make docs` runs this, then mkdocs. Pages keep their places, so that links between them work here as on the site.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from tools.notebooks import as_page, read

REPOSITORY = Path(__file__).parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
NOTEBOOK = ".ipynb"
LEFT_OUT = (".github/", "docs/changes/", "tools/")
"""Pages of the repository alone; of the changes the site has their introduction."""


def pages(root: Path) -> list[Path]:
    """Return the pages of a repository that the site shows, relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md", "docs/notebooks/*.ipynb"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return [
        Path(name)
        for name in listed.stdout.splitlines()
        if not name.startswith(LEFT_OUT) or name == "docs/changes/README.md"
    ]


def linked(root: Path, page: Path) -> Iterator[Path]:
    """Yield the files that a page shows or links, relative to the repository."""
    for target in LINK.findall((root / page).read_text()):
        file = (root / page).parent / target
        if "://" not in target and file.is_file():
            yield file.resolve().relative_to(root.resolve())


def gather(root: Path, room: Path, api: Path | None = None) -> list[Path]:
    """Copy the pages of a repository with all that they link to an empty folder, and return the pages.

    Args:
        root: The repository.
        room: Folder to copy to; what was there is removed.
        api: Folder of the API's pages, if they are part of the site.
    """
    shutil.rmtree(room, ignore_errors=True)
    found = pages(root)
    for file in dict.fromkeys([*found, *(file for page in found for file in linked(root, page))]):
        (room / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, room / file)
    for page in found:
        _put(room / page)
    if api is not None:
        shutil.copytree(api, room / "api")
    return found


def _put(page: Path) -> None:
    """Let a page link the pages of notebooks, and make a notebook's page."""
    if page.suffix == NOTEBOOK:
        page.with_suffix(".md").write_text(as_page(read(page), page.name, page.parent))
    else:
        page.write_text(re.sub(rf"(\]\([^)\s:]+){re.escape(NOTEBOOK)}\)", r"\1.md)", page.read_text()))


def in_navigation(configuration: Path) -> list[str]:
    """Return the pages that the navigation names, in order."""
    waiting = [yaml.safe_load(configuration.read_text())["nav"]]
    found: list[str] = []
    while waiting:
        entry = waiting.pop(0)
        if isinstance(entry, str):
            found.append(entry)
        else:
            waiting = [*(entry.values() if isinstance(entry, dict) else entry), *waiting]
    return found


def missing(configuration: Path, site: Path) -> list[str]:
    """Return the pages that the navigation names and that a built site does not have."""
    made = {name: site / name.replace("README.md", "index.md") for name in in_navigation(configuration)}
    return [name for name, page in made.items() if not page.with_suffix(".html").is_file()]


def main() -> None:
    """Gather the pages of this repository in build/site-src, or look at the site that was built from them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", type=Path, help="folder of the API's pages")
    parser.add_argument(
        "--built", type=Path, help="built site that must have every page; nothing is gathered"
    )
    asked = parser.parse_args()
    if asked.built is not None:
        lost = missing(REPOSITORY / "mkdocs.yml", asked.built)
        sys.exit(f"{asked.built} lacks {', '.join(lost)}" if lost else 0)
    made = gather(REPOSITORY, REPOSITORY / "build" / "site-src", asked.api)
    print(f"{len(made)} pages in build/site-src")


if __name__ == "__main__":
    main()
