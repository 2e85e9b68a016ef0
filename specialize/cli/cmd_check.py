"""`specialize check`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import emit
from specialize.cli.render_drift import check_json, check_text
from specialize.explain.drift import check


@click.command()
@options.build_argument
@options.calib_option
@options.json_option
def command(build_dir: Path, calib: Path, as_json: bool) -> int:
    """Check whether a build fits a calibration. Exits 3 if not.

    Shows for each camera how far it moved, in millimetres, milliradians and pixels, and how many queries change.
    """
    outcome = check(build_dir, calib)
    emit(check_json(outcome), check_text(outcome), as_json)
    return 0 if outcome.fresh else 3
