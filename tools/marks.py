"""What a tool writes into a page stands between two marks, and is written there again and again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one tool, `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

    name: str

    def filled(self, document: str, text: str) -> str:
        """Return a document with a text in the place of what stands between the marks; it must have both."""
        begin, end = (f"<!-- {self.name}: {side} -->" for side in ("begin", "end"))
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(end)
        assert after, f"a document with {begin!r} and {end!r}"
        return f"{before}{begin}\n{text}\n{end}{after}"

    def write(self, page: Path, text: str) -> None:
        """Put a text between the marks of a page."""
        page.write_text(self.filled(page.read_text(), text))
