"""`specialize report`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import emit
from specialize.files import write_file

SCHEMA = "specialize/report@1"


@click.command()
@options.build_argument
@click.option(
    "-o", "--output", type=options.ANY_PATH, help="File to write [default: report.html in the build]."
)
@options.json_option
def command(build_dir: Path, output: Path | None, as_json: bool) -> None:
    """Write a build's report: one HTML file, no network needed."""
    from specialize.report import build_report

    path = output or build_dir / "report.html"
    write_file(path, build_report(build_dir))
    emit({"schema": SCHEMA, "build_dir": str(build_dir), "report": str(path)}, f"written: {path}", as_json)
