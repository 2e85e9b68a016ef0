"""`specialize plan`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import warn
from specialize.cli.results import emit
from specialize.explain.plan import write_tables


@click.command()
@options.calib_option
@options.model_option
@options.model_spec_option
@options.align_option
@options.allow_option
@click.option(
    "-o", "--output", type=options.ANY_PATH, default="plan.npz", show_default=True, help="File to write."
)
@options.json_option
def command(
    calib: Path,
    model: str,
    model_spec: Path | None,
    align: int,
    allow: tuple[str, ...],
    output: Path,
    as_json: bool,
) -> None:
    """Write tables of the queries that each camera sees.

    The .npz file holds camera masks, padded query ids with their lengths, reference points and counts,
    for use without the compiler.
    """
    outcome = write_tables(calib, model, output, model_spec, align, allow)
    warn(outcome.warnings)
    emit("plan", outcome, as_json)
