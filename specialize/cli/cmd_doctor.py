"""`specialize doctor`."""

from __future__ import annotations

import click

from specialize.cli import options
from specialize.cli.output import emit


@click.command()
@options.json_option
def command(as_json: bool) -> int:
    """Show what this installation supports, and how to install the rest.

    Exits 1 if a required package is missing.
    """
    from specialize.cli.render_doctor import doctor_json, doctor_text
    from specialize.explain.doctor import examine

    found = examine()
    emit(doctor_json(found), doctor_text(found), as_json)
    return 1 if found.missing else 0
