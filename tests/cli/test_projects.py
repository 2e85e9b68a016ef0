"""The project file sets options that the command line does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from specialize.cli import app
from specialize.cli.projects import FromProject
from specialize.errors import InputError
from specialize.files.project import BELONGS, KEYS, NAME, read_project
from tests.cli.running import CAR42, CAR43, REPOSITORY, run_here, run_process
from tests.end_to_end.tiny_model import write_tiny


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder below one with a model and a project file, and return it."""
    write_tiny(tmp_path)
    (tmp_path / "car.yaml").write_text(CAR42.read_text())
    (tmp_path / NAME).write_text('model = "tiny.onnx"\ncalib = "car.yaml"\nalign = 8\n')
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def options() -> set[str]:
    """Return the names of all options that a project file sets."""
    waiting, found = [app.cli], set()
    while waiting:
        command: click.Command = waiting.pop()
        found |= {str(option.name) for option in command.params if isinstance(option, FromProject)}
        if isinstance(command, click.Group):
            inner = (
                command.get_command(click.Context(command), name)
                for name in command.list_commands(click.Context(command))
            )
            waiting += [each for each in inner if each is not None]
    return found


def test_every_key_is_an_option_and_documented() -> None:
    """All keys but `store` name options, all such options are keys, and the reference lists them in order."""
    assert options() | {"store"} == set(KEYS)
    page = (REPOSITORY / "docs" / "reference" / "project-file.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(KEYS)
    assert {*BELONGS, *BELONGS.values()} <= set(KEYS)


def test_a_file_above_is_read_and_told(below: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Model, calibration and alignment come from two folders above; stderr says so in one line."""
    ran = run_here(capsys, "plan", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["model"] == "tiny"
    assert ran.err == "../../specialize.toml: calib = ../../car.yaml, model = ../../tiny.onnx, align = 8\n"


def test_the_command_line_wins(below: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that is given is not taken from the file, nor is what belongs to it."""
    (below.parents[1] / NAME).write_text('model = "tiny.onnx"\nmodel_spec = "tiny.model.yaml"\n')
    ran = run_here(capsys, "plan", "--calib", CAR43, "--model", "bevformer_tiny", "--json")
    assert json.loads(ran.out)["model"] == "bevformer_tiny" and ran.err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('modell = "x"', "specialize.toml: expected known keys, got 'modell'\n\nhint: did you mean 'model'?"),
        ("model = 3", "specialize.toml: model: expected a text, got 3"),
        ('align = "8"', "specialize.toml: align: expected a whole number, got '8'"),
        ("align = true", "specialize.toml: align: expected a whole number, got True"),
        ("model = ", "specialize.toml: expected a TOML file, got "),
    ],
)
def test_a_wrong_file_is_an_error(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is named with the file and the key."""
    (tmp_path / NAME).write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^{re.escape(said)}"):
        read_project()


def test_the_store_of_a_project_is_used_unless_the_environment_names_one(tmp_path: Path) -> None:
    """A folder of the project; the doctor shows it with the file."""
    (tmp_path / NAME).write_text('store = "kept"\n')
    shown = run_process("doctor", "--json", cwd=tmp_path, SPECIALIZE_STORE="")
    assert json.loads(shown.out)["store"]["place"] == str(tmp_path / "kept")
    assert json.loads(shown.out)["project"] == NAME
    other = run_process("doctor", cwd=tmp_path, SPECIALIZE_STORE=str(tmp_path / "other"))
    assert (
        f"store: {tmp_path / 'other'}" in other.out and "project file: specialize.toml, store = " in other.out
    )


def test_without_a_file_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing option is a usage error, as ever."""
    monkeypatch.chdir(tmp_path)
    ran = run_here(capsys, "plan")
    assert ran.code == 2 and "Missing option '--calib'" in ran.err
