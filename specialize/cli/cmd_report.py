"""`specialize report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specialize.cli import options
from specialize.cli.output import say
from specialize.cli.results import emit


@click.command()
@options.build_argument
@click.option(
    "-o", "--output", type=options.ANY_PATH, help="File to write [default: the build's own report.html]."
)
@click.option("--bench", "measured", is_flag=True, help="Measure times first, and include them.")
@options.images_option
@options.timing_options
@options.json_option
def command(
    build_dir: Path, output: Path | None, measured: bool, images: Path | None, as_json: bool, **given: Any
) -> None:
    """Write a build's report as one self-contained HTML file.

    Every build already contains report.html. The files of a build have digests and are not changed, so a report
    with times or images, or one by another version, is written next to the build.
    """
    from specialize.cli.schemas.builds import Report
    from specialize.report.write import write_build_report

    bench = _measure(build_dir, **given) if measured else None
    path = write_build_report(build_dir, output, bench, images)
    emit("report", Report(build_dir=build_dir, report=path, measured=measured), as_json)


def _measure(build_dir: Path, **given: Any) -> Any:
    from specialize.explain.bench import Timing, bench_build

    return bench_build(build_dir, Timing(whole_model=True, **given), say)
