"""`specialize profile`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from specialize.calibration.lint import lint
from specialize.calibration.load import load_profile
from specialize.cli import options
from specialize.cli.output import emit
from specialize.cli.render_profile import Checked, check_json, check_sarif, check_text, show_json, show_text
from specialize.errors import InputError
from specialize.planning import resolve_spec


@click.group()
def command() -> None:
    """Check or show a calibration profile."""


@command.command()
@click.argument("paths", metavar="PROFILE...", type=options.EXISTING, nargs=-1, required=True)
@click.option("--model", help="A built-in model, or an ONNX file, whose order of cameras is wanted.")
@options.model_spec_option
@click.option("--sarif", is_flag=True, help="Print the findings as SARIF 2.1.0, for code hosts.")
@options.json_option
def check(
    paths: tuple[Path, ...], model: str | None, model_spec: Path | None, sarif: bool, as_json: bool
) -> int:
    """Look for the classic blunders in profiles, and say how to mend them.

    Exit 1 if a profile cannot be used. Warnings are for a person to look at.
    """
    order = resolve_spec(model or "", model_spec).cameras if model or model_spec else ()
    files = tuple(_checked(path, order) for path in paths)
    if sarif:
        click.echo(json.dumps(check_sarif(files), indent=2))
    else:
        emit(check_json(files), check_text(files), as_json)
    return 0 if all(file.ok for file in files) else 1


@command.command()
@click.argument("path", metavar="PROFILE", type=options.EXISTING)
@options.json_option
def show(path: Path, as_json: bool) -> None:
    """Show a vehicle's cameras: where they are, where they look, how wide."""
    profile = load_profile(path)
    emit(show_json(profile, path), show_text(profile, path), as_json)


def _checked(path: Path, order: tuple[str, ...]) -> Checked:
    try:
        profile = load_profile(path)
    except InputError as error:
        return Checked(path, error=str(error))
    return Checked(path, profile, lint(profile, order))
