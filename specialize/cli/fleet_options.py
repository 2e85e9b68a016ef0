"""Arguments and options that several `specialize fleet` commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from specialize.cli import options

ENGINES = ("local", "dask")
USUAL_LOCK = "[default: FLEET/fleet.lock, or FLEET.lock of a table]"

Command = TypeVar("Command", bound=Callable[..., Any])

fleet_argument = click.argument("folder", metavar="FLEET", type=options.ANY_PATH)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Number of processes [default: one per core, if that is faster].",
)
builds_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of parallel builds on this machine.",
)
engine_option = click.option(
    "--engine", type=click.Choice(ENGINES), default="local", show_default=True, help="Where to do the work."
)
scheduler_option = click.option(
    "--scheduler", default="", help="Address of a dask scheduler, tcp://host:8786 [default: a local cluster]."
)
lock_option = click.option(
    "--lock",
    type=options.ANY_PATH,
    help=f"Lock file of the fleet {USUAL_LOCK}.",
)
written_lock_option = click.option(
    "-o",
    "--output",
    type=options.ANY_PATH,
    help=f"Lock file to write {USUAL_LOCK}.",
)


def engine_options(command: Command) -> Command:
    """Add the options that say where the work is done, and by how many processes."""
    return engine_option(scheduler_option(jobs_option(command)))
