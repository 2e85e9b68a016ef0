"""`specialize targets`."""

from __future__ import annotations

import click

from specialize.cli import options
from specialize.cli.results import emit


@click.command()
@click.argument("name", required=False, shell_complete=options.complete_target)
@options.json_option
def command(name: str | None, as_json: bool) -> None:
    """List the toolchains that builds can target.

    Shows whether a toolchain's limits were observed in runs or taken from its documents. With a NAME: what that
    toolchain accepts, operator by operator, with the source of each statement.
    """
    from specialize import targets

    if name is None:
        toolchains = [targets.target(each).TOOLCHAIN for each in targets.TARGETS]
        emit("targets", toolchains, as_json)
    else:
        toolchain = targets.target(name).TOOLCHAIN
        emit("target", toolchain, as_json)
