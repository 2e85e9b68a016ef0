"""What the documents say is true: links lead somewhere, commands run, and print what is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from specialize.cli import app
from specialize.fleet.packing import pack_fleet
from tests.cli.running import REPOSITORY, run_process

DOCUMENTS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "calib_profiles").glob("*.md"),
        *(REPOSITORY / "templates").rglob("*.md"),
    ]
)
RUNNABLE = (
    "plan",
    "diff",
    "profile",
    "models",
    "store",
    "fleet diff calib_profiles",
    "fleet diff fleet.parquet",
    "fleet plan calib_profiles",
    "fleet pack calib_profiles",
    "fleet unpack",
)
IN_ORDER = ("docs/guides/open-data.md",)
"""Pages whose commands need those before them: `tests/end_to_end/test_open_data.py` runs them all."""
OF_THE_READER = ("my_car", "fleets/vans")
"""Files that only a reader has: `tests/end_to_end/test_guides.py` lays them out."""
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(#[^)]*)?\)")
ANCHOR = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(#[^)\s]+)\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language in a document."""
    return [body for name, body in BLOCK.findall(path.read_text()) if name == language]


def shown_commands() -> list[tuple[str, str, str]]:
    """Return every command in the documents: the document, the line, and the output shown below it."""
    found = []
    for path in DOCUMENTS:
        for body in blocks(path, "console"):
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                found.append((str(path.relative_to(REPOSITORY)), line.partition("  #")[0].strip(), output))
    return found


SPECIALIZE = [shown for shown in shown_commands() if shown[1].startswith("specialize ")]


NOTEBOOKS = sorted((REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", [*DOCUMENTS, *NOTEBOOKS], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a document leads to a file of the repository."""
    targets = [target for target, _ in LINK.findall(path.read_text()) if "://" not in target]
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_anchors_lead_to_headings(path: Path) -> None:
    """The place in a page that a link names is a heading of that page."""
    wrong = [
        f"{target}{anchor}"
        for target, anchor in ANCHOR.findall(path.read_text())
        if "://" not in target and anchor[1:] not in headings(path.parent / target if target else path)
    ]
    assert wrong == []


def headings(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and the site name them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_console_blocks_begin_with_a_command(path: Path) -> None:
    """What a `console` block shows is a command and its output: without the prompt it would be run by no test."""
    assert [body for body in blocks(path, "console") if not body.startswith("$ ")] == []


@pytest.mark.parametrize(("document", "line"), sorted({shown[:2] for shown in SPECIALIZE}))
def test_commands_exist(document: str, line: str) -> None:
    """Every command in the documents is one that the command line has, with options that it has."""
    words = shlex.split(line)[1:]
    command: click.Command = app.cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, line
        command, words = found, words[1:]
    known = {name for option in command.params for name in option.opts} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= known


@pytest.mark.parametrize(
    ("document", "line", "output"),
    [
        shown
        for shown in SPECIALIZE
        if shown[0] not in IN_ORDER
        and shown[1].removeprefix("specialize ").startswith(RUNNABLE)
        and not any(name in shown[1] for name in OF_THE_READER)
    ],
)
def test_commands_print_what_is_shown(
    document: str, line: str, output: str, tmp_path: Path, store_dir: Path
) -> None:
    """Every command that needs no model runs, and prints the output that its document shows, if any."""
    (tmp_path / "calib_profiles").symlink_to(REPOSITORY / "calib_profiles")
    words = shlex.split(line)[1:]
    for table in {match[0] for match in re.findall(r"(([\w-]+)\.parquet)", line) if "fleet pack" not in line}:
        pack_fleet([REPOSITORY / "calib_profiles" / "demo_fleet"], tmp_path / table)
    ran = run_process(*words, cwd=tmp_path, SPECIALIZE_STORE=str(store_dir))
    assert ran.code in (0, 3), ran.err
    if output.strip():
        assert ran.out.rstrip() == output.rstrip()


@pytest.mark.parametrize(
    "code", [code for path in DOCUMENTS for code in blocks(path, "python") if "import specialize" in code]
)
def test_python_in_the_documents_runs(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python that documents show runs from the repository's root."""
    monkeypatch.chdir(REPOSITORY)
    names: dict[str, object] = {}
    exec(compile(code, "document", "exec"), names)
    assert "specialize" in names or any(
        "specialize" in getattr(value, "__module__", "") for value in names.values()
    )


def test_every_command_is_documented() -> None:
    """The reference names every command."""
    text = (REPOSITORY / "docs" / "reference" / "commands.md").read_text()
    assert [name for name in app.COMMANDS if f"`specialize {name}" not in text] == []


def test_every_decision_is_listed() -> None:
    """The index of decisions links every page, and every page says what was not the goal."""
    folder = REPOSITORY / "docs" / "decisions"
    index = (folder / "index.md").read_text()
    for page in folder.glob("0*.md"):
        assert f"]({page.name})" in index
        headings = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Non-goals"], page.name


def test_the_architecture_names_files_that_are_there() -> None:
    """Every module and test that the page of architecture names exists, wildcards included."""
    text = (REPOSITORY / "docs" / "concepts" / "architecture.md").read_text()
    names = re.findall(r"`((?:tests/)?[\w/*]+(?:\.py|\.txt|/))`", text)
    assert len(names) > 40
    missing = [
        name
        for name in names
        if not any(
            REPOSITORY.glob(
                name.rstrip("/") if name.startswith("tests/") else f"specialize/{name.rstrip('/')}"
            )
        )
    ]
    assert missing == []
