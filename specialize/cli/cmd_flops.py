"""`specialize flops`."""

from __future__ import annotations

from typing import Any

import click

from specialize.cli import options
from specialize.cli.output import emit, say
from specialize.cli.render_costs import costs_text
from specialize.record import to_json
from specialize.request import LAYOUTS, BuildRequest


@click.command()
@options.calib_option
@options.model_option
@options.checkpoint_option
@options.model_spec_option
@click.option(
    "--layout", type=click.Choice(LAYOUTS), default="ragged", show_default=True, help="As for build."
)
@options.align_option
@options.every_site_option
@options.seed_option
@options.allow_option
@options.json_option
def command(as_json: bool, **given: Any) -> None:
    """Count what specialization saves for one vehicle.

    Zero-padded, re-batched and specialized, each counted on its real graph; a multiply-add counts as two.
    """
    from specialize.compiler.build import costs

    request = BuildRequest(**given)
    counted = costs(request, say)
    emit(to_json(counted), costs_text(counted, f"{request.model} for {request.calib}"), as_json)
