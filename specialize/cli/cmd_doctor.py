"""`specialize doctor`."""

from __future__ import annotations

import click

from specialize.cli import options
from specialize.cli.output import emit


@click.command()
@options.json_option
def command(as_json: bool) -> int:
    """Show what this installation can do, and what to install for the rest.

    Exit 1 if a package is missing without which nothing works.
    """
    from specialize.cli.render_doctor import doctor_json, doctor_text
    from specialize.explain.doctor import examine

    found = examine()
    emit(doctor_json(found), doctor_text(found), as_json)
    return 1 if found.missing else 0
