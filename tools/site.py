"""Gather what the site is built from: the pages that git tracks, what they show or link, and the pages of the API.

`make docs` runs this, then mkdocs. Pages keep their places, so that links between them work here as on the site.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
LEFT_OUT = (".github/", "docs/changes/", "tools/")
"""Pages of the repository alone; of the changes the site has their introduction."""


def pages(root: Path) -> list[Path]:
    """Return the pages of a repository that the site shows, relative to it."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=root, check=True, capture_output=True, text=True)
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
    if api is not None:
        shutil.copytree(api, room / "api")
    return found


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


def main() -> None:
    """Gather the pages of this repository in build/site-src."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", type=Path, help="folder of the API's pages")
    made = gather(REPOSITORY, REPOSITORY / "build" / "site-src", parser.parse_args().api)
    print(f"{len(made)} pages in build/site-src")


if __name__ == "__main__":
    main()
