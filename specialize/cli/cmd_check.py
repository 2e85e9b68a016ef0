"""`specialize check`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.results import emit
from specialize.explain.drift import check


@click.command()
@options.build_argument
@options.calib_option
@options.without_option
@options.json_option
def command(build_dir: Path, calib: Path, without: tuple[str, ...], as_json: bool) -> int:
    """Check whether a build fits a calibration. Exits 3 if not.

    Shows for each camera how far it moved, in millimetres, milliradians and pixels, and how many queries change.
    """
    return emit("check", check(build_dir, calib, without), as_json)
