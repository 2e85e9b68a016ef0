"""`specialize models`."""

from __future__ import annotations

import click

from specialize import zoo
from specialize.cli import options
from specialize.cli.results import emit
from specialize.cli.schemas.models import Models
from specialize.zoo.about import about


@click.command()
@options.json_option
def command(as_json: bool) -> None:
    """List the built-in models."""
    specs = {name: zoo.spec(name) for name in zoo.MODELS}
    described = {name: about(name) for name in zoo.MODELS}
    emit("models", Models(models=specs, about=described), as_json)
