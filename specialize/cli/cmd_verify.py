"""`specialize verify`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import emit, say
from specialize.cli.render_verify import verify_text


@click.command()
@options.build_argument
@click.option("--frames", type=click.IntRange(min=1), default=4, show_default=True, help="Frames to compare.")
@options.frames_dir_option
@options.json_option
def command(build_dir: Path, frames: int, frames_dir: Path | None, as_json: bool) -> int:
    """Run the original and the specialized model; compare them. Exit 4 if they differ."""
    from specialize.compiler import verify

    report = verify(build_dir, frames, say, frames_dir)
    data = report.to_json()
    emit(data, verify_text(data, str(build_dir)), as_json)
    return 0 if report.passed else 4
