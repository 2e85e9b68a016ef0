"""The man page says what the help says."""

from __future__ import annotations

import re
from pathlib import Path

from specialize.cli.app import cli
from specialize.errors import (
    DeclinedError,
    InputError,
    InternalError,
    SpecializeError,
    StaleError,
    UsageError,
    VerificationError,
)
from tests.cli.running import REPOSITORY
from tools.man import ENVIRONMENT, EXIT_CODES, commands, page

REQUESTS = {".TH", ".SH", ".SS", ".TP", ".B"}


def test_every_command_and_option_is_in_the_page() -> None:
    """Each command has a section, and each of its options a line."""
    sections = re.split(r"^\.SS specialize ", page(), flags=re.MULTILINE)[1:]
    found = list(commands(cli, ()))
    assert len(sections) == len(found)
    for section, (words, command) in zip(sections, found, strict=True):
        plain = section.replace("\\-", "-")
        assert plain.startswith(" ".join(words))
        assert all(name in plain for option in command.params for name in option.opts if name.startswith("-"))


def test_no_line_is_taken_for_a_request() -> None:
    """Lines that begin with a dot are requests of man(7); no text is lost as one."""
    dotted = [line for line in page().splitlines() if line.startswith((".", "'"))]
    assert {line.split(" ")[0] for line in dotted} == REQUESTS


def test_codes_and_variables_are_those_of_the_reference() -> None:
    """Every exit code of an error is listed, and every variable of the reference."""
    errors = (
        DeclinedError,
        InputError,
        InternalError,
        SpecializeError,
        StaleError,
        UsageError,
        VerificationError,
    )
    assert {str(error.exit_code) for error in errors} | {"0"} == set(EXIT_CODES)
    text = Path(REPOSITORY / "docs" / "reference" / "commands.md").read_text()
    listed = re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)
    assert set(listed) == set(ENVIRONMENT)
