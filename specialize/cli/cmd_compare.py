"""`specialize compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specialize.cli import options
from specialize.cli.output import print_text, say
from specialize.cli.results import emit


@click.command()
@click.option(
    "--calib", "calibs", type=options.EXISTING, required=True, multiple=True, help="A calibration profile."
)
@click.option(
    "--model",
    "models",
    shell_complete=options.complete_model,
    multiple=True,
    default=("bevformer_tiny",),
    help="A built-in model, or an ONNX file.",
)
@click.option("--time", "measured", is_flag=True, help="Also time the largest site of each model.")
@options.allow_option
@options.timing_options
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@options.json_option
def command(
    calibs: tuple[Path, ...],
    models: tuple[str, ...],
    measured: bool,
    allow: tuple[str, ...],
    markdown: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Compare the costs of models on vehicles, in three forms.

    Shows queries, pairs, and the FLOPs of the attention and of the whole model (original, re-batched and
    specialized) for every --model on every --calib; with --time also how much faster the largest site is and how
    much less memory it takes.
    """
    from specialize.explain.bench import Timing
    from specialize.explain.compare import compare

    rows = compare(models, calibs, Timing(**given) if measured else None, say, allow)
    if not markdown or as_json:
        emit("compare", rows, as_json)
        return
    from specialize.cli.render_compare import compare_markdown

    print_text(compare_markdown(rows))
