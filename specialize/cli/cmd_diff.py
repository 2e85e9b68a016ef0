"""`specialize diff`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import say
from specialize.cli.results import emit
from specialize.explain.drift import Difference, difference
from specialize.files.atomic import write_file


@click.command()
@click.argument("first", metavar="A.yaml", type=options.EXISTING)
@click.argument("second", metavar="B.yaml", type=options.EXISTING)
@options.model_option
@options.model_spec_option
@options.bake_option
@options.without_option
@click.option(
    "--report",
    type=options.ANY_PATH,
    metavar="FILE",
    help="Also write an HTML page with the cells gained and lost.",
)
@options.json_option
def command(
    first: Path,
    second: Path,
    model: str,
    model_spec: Path | None,
    bake_lenses: bool,
    without: tuple[str, ...],
    report: Path | None,
    as_json: bool,
) -> int:
    """Show what moved between two calibrations. Exits 3 if they differ.

    Also counts the queries of --model that each camera gains and loses.
    """
    found = difference(first, second, model, model_spec, bake_lenses, without)
    if report is not None:
        _write(report, found)
    return emit("diff", found.outcome, as_json)


def _write(report: Path, found: Difference) -> None:
    from specialize.report.diff import diff_report

    write_file(report, diff_report(found.outcome, *found.plans, found.profiles))
    say(f"report: {report}")
