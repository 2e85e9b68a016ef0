"""`specialize bench`."""

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
    "--site", type=int, help="Number of the attention site to time [default: the one with the most rows]."
)
@click.option("--whole-model", is_flag=True, help="Also time the whole model.")
@options.json_option
def command(build_dir: Path, as_json: bool, **given: Any) -> None:
    """Time a build against the other forms of its model.

    The forms are original, re-batched and specialized. Each runs in its own process, and they take turns.
    Compare the ratios; milliseconds hold for this machine only.
    """
    from specialize.explain.bench import Timing, bench_build

    emit("bench", bench_build(build_dir, Timing(**given), say), as_json, str(build_dir))
