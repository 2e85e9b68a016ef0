"""The tree of commands, imported only when named, and what becomes of an error.

Exit codes: 0 done, fresh, same; 1 an error the user can fix; 2 usage; 3 stale or different; 4 verification
failed; 70 a bug here; 129, 130 and 143 ended by a signal (hang-up, interrupt, termination); 141 the reader of our
output went away.
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
    "build": Lazy("specialize.cli.cmd_build", "Specialize a model for one vehicle's calibration."),
    "check": Lazy("specialize.cli.cmd_check", "Is a build still right for a calibration? Exit 3 if not."),
    "verify": Lazy("specialize.cli.cmd_verify", "Run the original and the specialized model; compare them."),
    "attest": Lazy("specialize.cli.cmd_attest", "Write statements about a build for others, and sign it."),
    "inspect": Lazy("specialize.cli.cmd_inspect", "Show what a build, a model or a profile is."),
    "flops": Lazy("specialize.cli.cmd_flops", "Count what specialization saves for one vehicle."),
    "bench": Lazy("specialize.cli.cmd_bench", "Time a build against the other forms of its model."),
    "table": Lazy(
        "specialize.cli.cmd_table", "Write the tables of a vehicle for an engine that serves many."
    ),
    "compare": Lazy("specialize.cli.cmd_compare", "Compare what models cost on vehicles, in three forms."),
    "plan": Lazy("specialize.cli.cmd_plan", "Write the tables of what each camera sees."),
    "report": Lazy("specialize.cli.cmd_report", "Write a build's report: one HTML file, no network needed."),
    "diff": Lazy("specialize.cli.cmd_diff", "Show what moved between two calibrations. Exit 3 if anything."),
    "profile": Lazy("specialize.cli.cmd_profile", "Write, check, show or import a calibration profile."),
    "export": Lazy("specialize.cli.cmd_export", "Write the generic ONNX of a built-in model."),
    "models": Lazy("specialize.cli.cmd_models", "List the built-in models."),
    "vehicle": Lazy("specialize.cli.cmd_vehicle", "What a build needs on the car: contract, guard, tables."),
    "fleet": Lazy("specialize.cli.cmd_fleet", "Compare, plan and build many vehicles."),
    "targets": Lazy("specialize.cli.cmd_targets", "List the toolchains that a build can be made for."),
    "doctor": Lazy(
        "specialize.cli.cmd_doctor", "Show what this installation can do, and what to install for the rest."
    ),
    "store": Lazy("specialize.cli.cmd_store", "Look after the store of models and weights."),
}


@click.group(
    cls=LazyGroup,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Results go to stdout, everything else to stderr; every command takes --json.",
)
@click.version_option(VERSION, prog_name="specialize")
def cli() -> None:
    """Turn a camera-to-BEV model and one vehicle's calibration into a smaller, static, proven model."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing is raised."""
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
        visible,  # names in an error come from files: no terminal may obey them
    )

    return visible(text)


def _trace() -> None:
    if os.environ.get(DEBUG) == "1":
        click.echo(_visible(traceback.format_exc()), err=True)


_BUG_TEXT = (
    "This is a bug in specialize, not in what you did. "
    f"Please report it with the output of the same command under {DEBUG}=1."
)
