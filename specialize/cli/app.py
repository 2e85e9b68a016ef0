"""The command tree, with commands imported on first use, and the exit code of every error.

Exit codes: 0 done, fresh, same; 1 an error the user can fix; 2 usage; 3 stale or different; 4 verification
failed; 70 a bug in specialize; 129, 130 and 143 ended by a signal (hang-up, interrupt, termination); 141 the reader
of stdout closed the pipe.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from specialize.cli.endings import Ended, ending_cleanly
from specialize.cli.lazy import Lazy, LazyGroup
from specialize.errors import InternalError, SpecializeError
from specialize.version import VERSION

DEBUG = "SPECIALIZE_DEBUG"
BROKEN_PIPE, INTERRUPTED, BUG = 141, 130, 70

COMMANDS = {
    "demo": Lazy("specialize.cli.cmd_demo", "Build a small packaged encoder for a packaged calibration."),
    "build": Lazy("specialize.cli.cmd_build", "Specialize a model for one vehicle's calibration."),
    "check": Lazy("specialize.cli.cmd_check", "Check whether a build fits a calibration. Exits 3 if not."),
    "verify": Lazy(
        "specialize.cli.cmd_verify", "Compare the outputs of the original and the specialized model."
    ),
    "attest": Lazy("specialize.cli.cmd_attest", "Write provenance and test results of a build, and sign it."),
    "inspect": Lazy("specialize.cli.cmd_inspect", "Describe a build, a model or a profile."),
    "flops": Lazy(
        "specialize.cli.cmd_flops", "Count the operations that specialization saves for one vehicle."
    ),
    "bench": Lazy("specialize.cli.cmd_bench", "Time a build against the other forms of its model."),
    "tune": Lazy(
        "specialize.cli.cmd_tune", "Time equal formulations of a build's attention, and choose one."
    ),
    "table": Lazy(
        "specialize.cli.cmd_table", "Write one vehicle's lookup tables for an engine that serves many."
    ),
    "compare": Lazy("specialize.cli.cmd_compare", "Compare the costs of models on vehicles, in three forms."),
    "plan": Lazy("specialize.cli.cmd_plan", "Write tables of the queries that each camera sees."),
    "report": Lazy("specialize.cli.cmd_report", "Write a build's report as one self-contained HTML file."),
    "diff": Lazy(
        "specialize.cli.cmd_diff", "Show what moved between two calibrations. Exits 3 if they differ."
    ),
    "profile": Lazy("specialize.cli.cmd_profile", "Write, check, show or import a calibration profile."),
    "export": Lazy("specialize.cli.cmd_export", "Write the generic ONNX of a built-in model."),
    "models": Lazy("specialize.cli.cmd_models", "List the built-in models."),
    "vehicle": Lazy("specialize.cli.cmd_vehicle", "Export the files that a build needs on the car."),
    "fleet": Lazy("specialize.cli.cmd_fleet", "Compare, plan and build many vehicles."),
    "targets": Lazy("specialize.cli.cmd_targets", "List the toolchains that builds can target."),
    "doctor": Lazy(
        "specialize.cli.cmd_doctor", "Show what this installation supports, and how to install the rest."
    ),
    "store": Lazy(
        "specialize.cli.cmd_store", "List, check and clean the store of models, weights and builds."
    ),
}


@click.group(
    cls=LazyGroup,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Results go to stdout, everything else to stderr; every command takes --json.",
)
@click.version_option(VERSION, prog_name="specialize")
def cli() -> None:
    """Turn a camera-to-BEV model and one vehicle's calibration into a smaller, static, verified model."""
    from specialize.cli.progress import progress
    from specialize.cli.projects import use_store

    progress()
    use_store()


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code, without raising."""
    try:
        with ending_cleanly():
            return _run(arguments)
    except Ended as ended:
        click.echo(f"ended by {ended.name}", err=True)
        return ended.exit_code


def _run(arguments: Sequence[str]) -> int:
    try:
        result = cli.main(list(arguments), prog_name="specialize", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        click.echo(_visible(text.getvalue()), err=True, nl=False)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except SpecializeError as error:
        return _explain(error)
    except Exception as error:
        return _confess(error)
    return result if isinstance(result, int) else 0


def _explain(error: SpecializeError) -> int:
    click.echo(f"{click.style('error', fg='red')}: {_visible(str(error))}", err=True)
    if isinstance(error, InternalError):
        click.echo(_BUG_TEXT, err=True)
    _trace()
    return error.exit_code


def _confess(error: Exception) -> int:
    summary = "".join(traceback.format_exception_only(error)).strip()
    click.echo(f"{click.style('bug', fg='red')}: {_visible(summary)}\n\n{_BUG_TEXT}", err=True)
    _trace()
    return BUG


def _visible(text: str) -> str:
    from specialize.text.terminal import (
        visible,  # names in an error come from files and must not control the terminal
    )

    return visible(text)


def _trace() -> None:
    if os.environ.get(DEBUG) == "1":
        click.echo(_visible(traceback.format_exc()), err=True)


_BUG_TEXT = (
    "This is a bug in specialize, not a mistake of yours. "
    f"Please report it with the output of the same command under {DEBUG}=1."
)
