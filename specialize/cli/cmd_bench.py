"""`specialize bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specialize.cli import options
from specialize.cli.output import emit, say
from specialize.cli.render_bench import bench_text
from specialize.record import to_json


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

    bench = bench_build(build_dir, Timing(**given), say)
    emit(to_json(bench), bench_text(bench, str(build_dir)), as_json)
