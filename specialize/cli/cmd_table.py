"""`specialize table`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import warn
from specialize.cli.results import emit


@click.command()
@options.calib_option
@options.without_option
@click.option(
    "--for",
    "build_dir",
    type=options.FOLDER,
    required=True,
    help="Build in mode `tables` whose engine the tables are for.",
)
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="File to write, *.safetensors.")
@click.option(
    "--bevpool",
    is_flag=True,
    help="Write the five arrays of the BEVPoolV2 operator instead: ranks_depth, ranks_feat, ranks_bev, "
    "interval_starts, interval_lengths.",
)
@options.allow_option
@options.json_option
def command(
    calib: Path,
    without: tuple[str, ...],
    build_dir: Path,
    output: Path,
    bevpool: bool,
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write one vehicle's lookup tables for an engine that serves many. Exits 3 if the vehicle does not fit.

    The tensors of the file have the names of the engine's inputs. No model is run.
    """
    from specialize.binding.make_tables import make_table

    outcome = make_table(build_dir, calib, output, allow, bevpool, without)
    warn(outcome.warnings)
    emit("table-made", outcome, as_json)
