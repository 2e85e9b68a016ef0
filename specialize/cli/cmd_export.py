"""`specialize export`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import say, warn
from specialize.cli.projects import FromProject
from specialize.cli.results import emit
from specialize.files.atomic import make_room


@click.command()
@click.option(
    "--model", shell_complete=options.complete_model, cls=FromProject, required=True, help="A built-in model."
)
@options.checkpoint_option
@options.seed_option
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="ONNX file to write.")
@options.json_option
def command(model: str, checkpoint: Path | None, seed: int, output: Path, as_json: bool) -> None:
    """Write the generic ONNX of a built-in model.

    The model is zero-padded and static, and the calibration is an input.
    """
    from specialize import zoo

    zoo.spec(model)  # report a wrong name before a missing package
    zoo.require_packages(model)
    from specialize.cli.schemas.builds import Export
    from specialize.zoo.export import export_generic

    make_room(output)
    say(f"exporting {model}")
    made = export_generic(model, checkpoint, output, seed)
    warn(made.warnings)
    found = Export(
        model=model, output=made.path, weights_digest=made.weights_digest, warnings=tuple(made.warnings)
    )
    emit("export", found, as_json)
