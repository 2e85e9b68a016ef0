"""Every JSON output is declared, documented, and checked against its declaration."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from specialize.cli import app
from specialize.cli.results import RESULTS, found_at
from tests.cli import running, schema_reference
from tests.golden_files import REWRITE

DOCUMENTS = schema_reference.documents()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_reference_is_what_the_code_says(path: Path) -> None:
    """Every file of the reference is the one that the types give."""
    if os.environ.get(REWRITE) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DOCUMENTS[path])
    found = path.read_text() if path.exists() else ""
    assert found == DOCUMENTS[path], f"{path.name} differs; if that is meant: {REWRITE}=1 make test"


def test_no_file_of_the_reference_is_left_over() -> None:
    """A schema that is gone has no file."""
    assert set(schema_reference.FOLDER.iterdir()) <= set(DOCUMENTS)


@pytest.mark.parametrize("name", RESULTS)
def test_every_key_is_described(name: str) -> None:
    """Every key of every top-level object has a meaning in words, `schema` and `kind` aside."""
    schema = schema_reference.json_schema(RESULTS[name])
    top = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    silent = {key for key, value in top["properties"].items() if not value.get("description")}
    assert silent <= {"schema", "kind"}
    assert top["description"]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group, with the words that call it."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        elif found is not None:
            yield " ".join((*path, name)), found


COMMANDS = dict(commands(app.cli))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_prints_declared_json(words: str) -> None:
    """Every command takes `--json`, and a declared type says that it is what this command prints."""
    assert any("--json" in option.opts for option in COMMANDS[words].params)
    records = [found_at(result.record) for result in RESULTS.values()]
    first = [(inspect.getdoc(record) or "").splitlines()[0] for record in records]
    assert any(
        re.match(rf"`specialize {words}( [A-Z.a-z-]+| --target NAME)* --json`", line) for line in first
    )


@pytest.mark.parametrize("name", RESULTS)
def test_every_place_is_there(name: str) -> None:
    """What prints a result takes its value first; of results that commands print, there is a text."""
    result = RESULTS[name]
    if result.made_by:
        assert callable(found_at(result.made_by))
    if isinstance(result.text, str) and result.text:
        assert callable(found_at(f"specialize.cli.{result.text}"))
    assert result.text or name in ("manifest", "measured")


def test_an_output_that_is_not_as_declared_is_noticed() -> None:
    """A key too many, one too few and one of another type are found where tests run commands."""
    good = {"schema": "specialize/report@1", "build_dir": "b", "report": "r", "measured": False}
    running.require_declared(json.dumps(good))
    for bad in ({**good, "more": 1}, {**good, "measured": "no"}, {"schema": "specialize/report@1"}):
        with pytest.raises(AssertionError):
            running.require_declared(json.dumps(bad))
    with pytest.raises(AssertionError, match="listed in specialize/cli/results"):
        running.require_declared('{"schema": "specialize/new@1"}')
