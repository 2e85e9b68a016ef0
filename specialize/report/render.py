"""Fill a template: one frozen value in, one self-contained file out."""

from __future__ import annotations

import jinja2

from specialize.files.resources import resource_dir
from specialize.report.fleet_page import FleetPage
from specialize.report.page import BuildPage, DiffPage


def render(template: str, page: BuildPage | DiffPage | FleetPage) -> str:
    """Return the HTML of a page; the same page gives the same bytes."""
    return _environment().get_template(template).render(page=page)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates") / "report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
