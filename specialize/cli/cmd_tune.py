"""`specialize tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specialize.cli import options
from specialize.cli.output import say
from specialize.cli.results import emit


@click.command()
@options.build_argument
@options.timing_options
@click.option(
    "--command",
    metavar="TEXT",
    help="Time models with this command, on a device for instance: {model} and {inputs} stand for an ONNX file "
    "and an .npz file with its inputs; it prints the time of each run in milliseconds, one number per line, and "
    "writes what it computes to {outputs}, an .npz file, if the command has that.",
)
@click.option("--again", is_flag=True, help="Measure even if the store has a measurement of these sizes.")
@options.json_option
def command(build_dir: Path, as_json: bool, **given: Any) -> None:
    """Time equal formulations of a build's attention, and choose one.

    Every kind of attention is cut out of the model in each formulation, and the formulations take turns.
    The measurement is kept in the store, by sizes, target, runtime and threads, or by the command.
    `build --attention` applies the choice.
    """
    from specialize.compiler.tuning import Runs
    from specialize.explain.tune import tune_build

    emit("tune", tune_build(build_dir, Runs(**given), say), as_json, str(build_dir))
