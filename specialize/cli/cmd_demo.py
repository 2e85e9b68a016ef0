"""`specialize demo`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import say, warn
from specialize.cli.results import emit


@click.command()
@click.option(
    "-o",
    "--output",
    type=options.FOLDER,
    default=Path("specialize-demo"),
    show_default=True,
    help="Folder for the model, two calibrations and the build.",
)
@options.measure_option
@options.json_option
def command(output: Path, measure: bool, as_json: bool) -> None:
    """Build a small packaged encoder for a packaged calibration.

    Needs neither torch nor a download. Files that are already in the folder stay as they are: change one, and repeat.
    """  # fmt: skip
    from specialize.explain.demo import SEEDED, demonstrate

    warn((SEEDED,))
    emit("demo", demonstrate(output, measure, say), as_json)
