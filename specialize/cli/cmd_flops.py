"""`specialize flops`."""

from __future__ import annotations

from typing import Any

import click

from specialize.cli import options
from specialize.cli.output import say
from specialize.cli.results import emit
from specialize.request import LAYOUTS, BuildRequest


@click.command()
@options.calib_option
@options.model_option
@options.checkpoint_option
@options.model_spec_option
@click.option(
    "--layout", type=click.Choice(LAYOUTS), default="ragged", show_default=True, help="As for `build`."
)
@options.align_option
@options.every_site_option
@options.bake_option
@options.seed_option
@options.allow_option
@options.json_option
def command(as_json: bool, **given: Any) -> None:
    """Count the operations that specialization saves for one vehicle.

    Counts the zero-padded, the re-batched and the specialized form, each on its actual graph. A multiply-add
    counts as two.
    """
    from specialize.compiler.build import costs

    request = BuildRequest(**given)
    emit("flops", costs(request, say), as_json, f"{request.model} for {request.calib}")
