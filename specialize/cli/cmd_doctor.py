"""`specialize doctor`."""

from __future__ import annotations

import click

from specialize.cli import options
from specialize.cli.results import emit


@click.command()
@options.json_option
def command(as_json: bool) -> int:
    """Show what this installation supports, and how to install the rest.

    Exits 1 if a required package is missing.
    """
    from specialize.explain.doctor import examine

    return emit("doctor", examine(), as_json)
