"""Print the results of commands on stdout, as text or as JSON of the same value, and everything else on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

import click
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from specialize.cli.progress import progress
from specialize.cli.tables import Rows
from specialize.text.document import Document, Table
from specialize.text.terminal import is_plain, visible

_WIDTH = 120  # columns, if the output is not a terminal
COMMAND = "next: "
"""Prefix of a line that proposes the next command."""

_COLOURS = {
    "fresh": "green", "same": "green", "verified": "green",
    "stale": "red", "different": "red", "error": "red", "not verified": "red", "verification FAILED": "red",
    "warning": "yellow", "not specialized": "yellow",
}  # fmt: skip
"""Verdict at the beginning of a line -> its colour; the word is the sign for those who see none."""

_HELD = 1 << 20  # characters of JSON that are kept in memory
_PLAIN: dict[str, Any] = {"highlight": False, "emoji": False, "markup": False}


def print_text(text: Document) -> None:
    """Print what a person reads."""
    progress().stop()
    if sys.stdout.isatty():
        _print(Console(file=sys.stdout, **_PLAIN), text)
    else:
        click.echo(to_text(text), nl=False)


def json_text(data: Mapping[str, Any]) -> str:
    """Return indented JSON; its first key names the schema."""
    return "".join(_json_parts(data))


def print_json(data: Mapping[str, Any]) -> None:
    """Write JSON to stdout, all of it or nothing, without holding it in memory: it can be as large as a fleet."""
    with tempfile.SpooledTemporaryFile(_HELD, "w+", encoding="utf-8") as made:
        made.writelines(_json_parts(data))
        made.write("\n")
        made.seek(0)
        progress().stop()
        shutil.copyfileobj(made, sys.stdout)
    sys.stdout.flush()


def _json_parts(data: Mapping[str, Any]) -> Iterator[str]:
    assert next(iter(data)) == "schema", "every JSON output names its schema first"
    for part in json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False).iterencode(data):
        yield part if is_plain(part) else _visible_json(part)


def _visible_json(part: str) -> str:
    """Return a part of a JSON text with control characters as JSON escapes."""
    return "".join(c if c == "\n" or is_plain(c) else json.dumps(c)[1:-1] for c in part)


def to_text(document: Document, width: int = _WIDTH) -> str:
    """Render a document as a terminal of `width` columns without colours shows it."""
    buffer = StringIO()
    _print(Console(file=buffer, width=width, color_system=None, force_terminal=False, **_PLAIN), document)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def say(line: str) -> None:
    """Print a line of progress on stderr, with the time of a command that takes long."""
    kept = progress()
    told = kept.clock.told(visible(line))
    with kept.hidden():
        click.echo(click.style(told, dim=True), err=True)


def warn(warnings: tuple[str, ...]) -> None:
    """Print warnings on stderr."""
    with progress().hidden():
        for warning in warnings:
            click.echo(f"{click.style('warning', fg='yellow')}: {visible(warning)}", err=True)


def _print(console: Console, document: Document) -> None:
    console.print(Group(*_spaced(document)), crop=False)


def _spaced(document: Document) -> Iterator[RenderableType]:
    """Yield the parts of a document, with an empty line between them."""
    for number, part in enumerate([document] if isinstance(document, str | Table) else document):
        yield from [""] if number else []
        yield Rows(part) if isinstance(part, Table) else _Words(part)


class _Words:
    """Line of text, wrapped between words only on a terminal, and never if it is a command to be copied."""

    def __init__(self, text: str) -> None:
        self._text = visible(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._text.split("\n"):
            whole = not console.is_terminal or line.startswith(COMMAND) or len(line) <= options.max_width
            for number, part in enumerate((line,) if whole else _wrapped(line, options.max_width)):
                text = Text(part, no_wrap=True, overflow="ignore")
                yield text if number else _coloured(text)


def _coloured(text: Text) -> Text:
    """Return a line with its verdict, if it begins with one, in the colour of that verdict."""
    verdict, colon, _ = text.plain.partition(":")
    bare = verdict if colon else text.plain
    if bare in _COLOURS:
        text.stylize(f"bold {_COLOURS[bare]}", 0, len(bare))
    return text


def _wrapped(line: str, width: int) -> list[str]:
    """Wrap a line between words, never within a path, and keep its indent."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
