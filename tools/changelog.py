"""Collect the fragments of `docs/changes/` into CHANGELOG.md, as a section of a release; or print such a section.

python tools/changelog.py --release 0.2.0 --date 2026-12-01    writes the section, removes the fragments
python tools/changelog.py --notes 0.2.0                        prints the section
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HEAD = (
    "# Changelog\n\nNewest first. What is not released yet lies in [docs/changes/](docs/changes/README.md).\n"
)


def fragments(folder: Path) -> list[Path]:
    """Return the fragments, by name."""
    return sorted(path for path in folder.glob("*.md") if path.name != "README.md")


def section(version: str, date: str, texts: Sequence[str]) -> str:
    """Return the section of a release: one entry per fragment, its further lines indented."""
    entries = ["- " + "\n  ".join(text.strip().splitlines()) for text in texts]
    return "\n".join([f"## {version} ({date})", "", *entries, ""])


def released(document: str, version: str) -> str:
    """Return the section of a version in a changelog, without its title.

    Raises:
        SystemExit: There is none.
    """
    found = re.search(rf"(?ms)^## {re.escape(version)} \([^)]*\)\n\n(.*?)(?=^## |\Z)", document)
    if found is None:
        raise SystemExit(f"CHANGELOG.md: expected a section for {version}, found none")
    return found.group(1)


def release(root: Path, version: str, date: str) -> None:
    """Put the fragments into the changelog as the newest section, and remove them.

    Raises:
        SystemExit: The version has a section already, or there is no fragment.
    """
    path, parts = root / "CHANGELOG.md", fragments(root / "docs" / "changes")
    document = path.read_text() if path.is_file() else HEAD
    if f"\n## {version} " in document or not parts:
        raise SystemExit(f"{version}: expected a new version and at least one fragment in docs/changes/")
    head, mark, rest = document.partition("\n## ")
    newest = section(version, date, [part.read_text() for part in parts])
    path.write_text(f"{head.rstrip()}\n\n{newest}{mark}{rest}")
    for part in parts:
        part.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or print a section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", metavar="VERSION")
    parser.add_argument("--date", metavar="YYYY-MM-DD")
    parser.add_argument("--notes", metavar="VERSION")
    given = parser.parse_args(arguments)
    if given.notes is not None:
        print(released((REPOSITORY / "CHANGELOG.md").read_text(), given.notes), end="")
    elif given.release is not None and given.date is not None:
        release(REPOSITORY, given.release, given.date)
    else:
        parser.error("--release VERSION with --date YYYY-MM-DD, or --notes VERSION")
    return 0


if __name__ == "__main__":
    sys.exit(main())
