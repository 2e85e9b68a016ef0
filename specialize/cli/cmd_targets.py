"""`specialize targets`."""

from __future__ import annotations

import click

from specialize.cli import options
from specialize.cli.output import emit


@click.command()
@click.argument("name", required=False)
@options.json_option
def command(name: str | None, as_json: bool) -> None:
    """List the toolchains that builds can target.

    Shows whether a toolchain's limits were observed in runs or taken from its documents. With a NAME: what that
    toolchain accepts, operator by operator, with the source of each statement.
    """
    from specialize import targets
    from specialize.cli.render_targets import target_json, target_text, targets_json, targets_text

    if name is None:
        toolchains = [targets.target(each).TOOLCHAIN for each in targets.TARGETS]
        emit(targets_json(toolchains), targets_text(toolchains), as_json)
    else:
        toolchain = targets.target(name).TOOLCHAIN
        emit(target_json(toolchain), target_text(toolchain), as_json)
