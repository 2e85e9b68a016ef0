"""`specialize diff`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import emit
from specialize.cli.render_drift import diff_json, diff_text
from specialize.drift import diff


@click.command()
@click.argument("first", metavar="A.yaml", type=options.EXISTING)
@click.argument("second", metavar="B.yaml", type=options.EXISTING)
@options.model_option
@options.model_spec_option
@options.json_option
def command(first: Path, second: Path, model: str, model_spec: Path | None, as_json: bool) -> int:
    """Show what moved between two calibrations. Exit 3 if anything.

    Queries gained and lost are those of --model.
    """
    outcome = diff(first, second, model, model_spec)
    emit(diff_json(outcome), diff_text(outcome), as_json)
    return 0 if outcome.fresh else 3
