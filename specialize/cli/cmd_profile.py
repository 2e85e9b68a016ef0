"""`specialize profile`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.calibration.load import load_profile
from specialize.cli import options
from specialize.cli.output import emit
from specialize.cli.render_profile import (
    Checked,
    check_json,
    check_text,
    show_json,
    show_text,
)
from specialize.errors import InputError


@click.group()
def command() -> None:
    """Check or show a calibration profile."""


@command.command()
@click.argument("paths", metavar="PROFILE...", type=options.EXISTING, nargs=-1, required=True)
@options.json_option
def check(paths: tuple[Path, ...], as_json: bool) -> int:
    """Check profiles: everything that a loader can know is wrong. Exit 1 if anything is."""
    files = tuple(_checked(path) for path in paths)
    emit(check_json(files), check_text(files), as_json)
    return 0 if all(file.ok for file in files) else 1


@command.command()
@click.argument("path", metavar="PROFILE", type=options.EXISTING)
@options.json_option
def show(path: Path, as_json: bool) -> None:
    """Show a vehicle's cameras: where they are, where they look, how wide."""
    profile = load_profile(path)
    emit(show_json(profile, path), show_text(profile, path), as_json)


def _checked(path: Path) -> Checked:
    try:
        profile = load_profile(path)
    except InputError as error:
        return Checked(str(path), ok=False, error=str(error))
    return Checked(str(path), True, profile.vehicle, profile.digest, len(profile.cameras))
