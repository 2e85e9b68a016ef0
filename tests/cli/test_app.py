"""The command line's frame: help, exit codes, and what becomes of errors."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from specialize.cli import app, cmd_profile
from specialize.cli.lazy import LazyGroup
from specialize.errors import InternalError, StaleError, VerificationError
from tests.cli.running import CAR42, CAR43, REPOSITORY, modules_of, run_here
from tests.golden_files import check_golden

HEAVY = {"numpy", "onnx", "onnx_ir", "onnxruntime", "torch", "scipy", "rich", "yaml"}


def top_level(modules: set[str]) -> set[str]:
    """Return the packages that modules belong to."""
    return {name.partition(".")[0] for name in modules}


def commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every command below a group."""
    if not isinstance(group, click.Group):
        return [path]
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", [(), *commands(app.cli)], ids=" ".join)
def test_help_is_as_agreed(capsys: pytest.CaptureFixture[str], path: tuple[str, ...]) -> None:
    """The help of every command is the text that was agreed on."""
    ran = run_here(capsys, *path, "--help")
    assert ran.code == 0
    check_golden(f"help/{'_'.join(path) or 'specialize'}.txt", ran.out)


def test_help_imports_nothing_heavy() -> None:
    """`--help` of the whole imports no command, hence no numpy, no rich and no model runtime."""
    assert top_level(modules_of("--help")) & HEAVY == set()


def test_help_imports_the_frame_alone() -> None:
    """`--help` of the whole imports six modules of the package; `make benchmarks` measures what that takes."""
    own = {name for name in modules_of("--help") if name.startswith("specialize.")}
    frame = {"cli", "cli.app", "cli.endings", "cli.lazy", "errors", "version"}
    assert own == {f"specialize.{name}" for name in frame}


@pytest.mark.parametrize(
    "arguments", [("models",), ("diff", CAR42, CAR42), ("profile", "show", CAR42)], ids=str
)
def test_light_commands_import_no_runtime(arguments: tuple[str | Path, ...]) -> None:
    """Commands that run no model import neither torch nor a runtime nor the graph library."""
    assert (
        top_level(modules_of(*arguments)) & {"torch", "onnxruntime", "onnx", "onnx_ir", "openvino"} == set()
    )


def test_only_pictures_import_what_draws(tmp_path: Path) -> None:
    """`plan` writes numbers: the engine of pages is imported where a page is asked for."""
    assert "jinja2" not in top_level(modules_of("plan", "--calib", CAR42, "-o", tmp_path / "plan.npz"))
    page = "profile", "show", CAR42, "--report", tmp_path / "rig.html"
    assert "jinja2" in top_level(modules_of(*page))


def test_listed_help_is_the_commands_own() -> None:
    """The line in the list of commands is the first line of the command's own help."""
    for name, lazy in app.COMMANDS.items():
        own = import_module(lazy.module).command.help.splitlines()[0]
        assert own.startswith(lazy.help), name


def test_every_command_takes_json() -> None:
    """Every command has `--json`."""
    for path in commands(app.cli):
        command: click.Command = app.cli
        for name in path:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), name) or command
        assert any("--json" in option.opts for option in command.params), path


def test_an_unknown_command_gets_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command is a usage error that names the closest one."""
    ran = run_here(capsys, "biuld")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean 'build'?" in ran.err


def test_an_unknown_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """An option that does not exist exits 2."""
    assert run_here(capsys, "models", "--jsn").code == 2


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version on stdout."""
    assert run_here(capsys, "--version").out == "specialize, version 0.1.0\n"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StaleError("a", "b"), 3, "error: a: expected b"),
        (VerificationError("a", "b", "c", "d"), 4, "error: a: expected b, got c\n\nhint: d"),
        (InternalError("a", "b"), 70, "This is a bug in specialize"),
        (ZeroDivisionError("by zero"), 70, "bug: ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_become_exit_codes(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    text: str,
) -> None:
    """Every kind of error has its exit code and its words on stderr, without a traceback."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(cmd_profile, "emit", fail)
    ran = run_here(capsys, "profile", "show", CAR42)
    assert (ran.code, ran.out) == (code, "")
    assert text in ran.err
    assert "Traceback" not in ran.err


def test_debugging_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SPECIALIZE_DEBUG=1 adds the traceback."""
    monkeypatch.setenv("SPECIALIZE_DEBUG", "1")
    ran = run_here(capsys, "plan", "--calib", CAR42, "--model", "nothing")
    assert ran.code == 2
    assert "Traceback" in ran.err


def test_a_closed_pipe_is_quiet() -> None:
    """A reader that goes away ends the command without a word."""
    script = f"{sys.executable} -m specialize profile show {CAR42} --json | head -c 1"
    command = ["bash", "-c", f"set -o pipefail; {script}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "{"


def test_an_interrupt_ends_with_130() -> None:
    """Ctrl-C while a command runs ends it with 130 and without a traceback."""
    script = "import signal, time; from specialize.cli import app, cmd_profile\n"
    script += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background shell ignores it
    script += "cmd_profile.emit = lambda *_: (print('ready', flush=True), time.sleep(30))\n"
    script += f"import sys; sys.exit(app.run(['profile', 'show', {str(CAR42)!r}]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "interrupted")


def test_every_json_names_its_schema(capsys: pytest.CaptureFixture[str], store_dir: Path) -> None:
    """The JSON of every command that needs no model begins with a schema of its own."""
    lines = [
        ("models",),
        ("diff", CAR42, CAR43),
        ("profile", "show", CAR42),
        ("profile", "check", CAR42),
        ("inspect", CAR42),
        ("store", "ls"),
        ("store", "gc"),
        ("store", "check"),
        ("plan", "--calib", CAR42, "-o", store_dir / "plan.npz"),
    ]
    schemas = [json.loads(run_here(capsys, *line, "--json").out)["schema"] for line in lines]
    assert all(schema.startswith("specialize/") and schema.endswith("@1") for schema in schemas)
    assert len(set(schemas)) == len(lines) - 1  # `inspect` of a profile shows it


def test_a_lazy_group_imports_what_it_names(tmp_path: Path) -> None:
    """A group without a table of commands has none."""
    assert LazyGroup("x").list_commands(click.Context(LazyGroup("x"))) == []
