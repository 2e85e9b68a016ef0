"""`specialize plan`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.calibration.load import load_profile
from specialize.calibration.off import without as without_cameras
from specialize.cli import options
from specialize.cli.output import say, warn
from specialize.cli.results import emit
from specialize.explain.plan import write_tables
from specialize.explain.show import Shown, write_pictures


@click.command()
@options.calib_option
@options.without_option
@options.model_option
@options.model_spec_option
@options.align_option
@options.bake_option
@options.allow_option
@click.option(
    "-o", "--output", type=options.ANY_PATH, default="plan.npz", show_default=True, help="File to write."
)
@options.mcap_option
@options.json_option
def command(
    calib: Path,
    without: tuple[str, ...],
    model: str,
    model_spec: Path | None,
    align: int,
    bake_lenses: bool,
    allow: tuple[str, ...],
    output: Path,
    mcap: Path | None,
    as_json: bool,
) -> None:
    """Write tables of the queries that each camera sees.

    The .npz file holds camera masks, padded query ids with their lengths, reference points and counts,
    for use without the compiler.
    """
    outcome = write_tables(calib, model, output, model_spec, align, allow, bake_lenses, without)
    warn(outcome.warnings)
    if mcap is not None:
        _write_mcap(calib, without, Shown(mcap=mcap, model=model, model_spec=model_spec))
    emit("plan", outcome, as_json)


def _write_mcap(calib: Path, off: tuple[str, ...], shown: Shown) -> None:
    for written in write_pictures(without_cameras(load_profile(calib), off), shown):
        say(f"written: {written}")
