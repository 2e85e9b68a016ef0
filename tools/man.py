"""Write the man page of the command line from its help: build/man/specialize.1."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import click

from specialize.cli.app import cli
from specialize.version import VERSION

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "build" / "man" / "specialize.1"

ENVIRONMENT = {
    "SPECIALIZE_STORE": "folder or URL of the store; default: a folder in the user's cache",
    "SPECIALIZE_MEASURE": "0: builds time nothing",
    "SPECIALIZE_DEBUG": "1: show tracebacks",
    "NO_COLOR": "no colours",
}
EXIT_CODES = {
    "0": "done; fresh; same",
    "1": "an error that the user can fix",
    "2": "the command line asks for something that does not exist",
    "3": "stale, or different",
    "4": "verification failed",
    "70": "a bug in specialize",
}


def page() -> str:
    """Return the page, in the language of man(7)."""
    lines = [
        f'.TH SPECIALIZE 1 "" "specialize {VERSION}" "User Commands"',
        ".SH NAME",
        "specialize \\- make a camera-to-BEV model static for one vehicle's calibration",
        ".SH SYNOPSIS",
        ".B specialize",
        "\\fICOMMAND\\fR [\\fIARGUMENTS\\fR]",
        ".SH DESCRIPTION",
        _text(f"{cli.help} {cli.epilog}"),
        ".SH COMMANDS",
    ]
    for words, command in commands(cli, ()):
        lines += _section(words, command)
    lines += [".SH ENVIRONMENT", *_terms(ENVIRONMENT), ".SH EXIT STATUS", *_terms(EXIT_CODES)]
    lines += [".SH FILES", *_terms({"specialize.toml": "options that a folder and all below it share"})]
    return "\n".join(lines) + "\n"


def commands(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below a group with the words that call it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        elif command is not None:
            yield (*words, name), command


def _section(words: tuple[str, ...], command: click.Command) -> Iterator[str]:
    """Yield the lines of one command: its usage, its help, its options."""
    context = click.Context(command, info_name=" ".join(("specialize", *words)))
    arguments = " ".join(command.collect_usage_pieces(context))
    yield f".SS specialize {_escaped(' '.join(words))} {_escaped(arguments)}"
    for paragraph in (command.help or "").split("\n\n"):
        yield _text(paragraph)
    options = (option.get_help_record(context) for option in command.get_params(context))
    yield from _terms(dict(filter(None, options)))


def _terms(meanings: dict[str, str]) -> Iterator[str]:
    for term, meaning in meanings.items():
        yield ".TP"
        yield f"\\fB{_escaped(term)}\\fR"
        yield _text(meaning)


def _text(text: str) -> str:
    """Return a paragraph in one line, which must not begin like a request."""
    line = _escaped(" ".join(text.split()))
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    output = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page())
    print(output)


if __name__ == "__main__":
    main()
