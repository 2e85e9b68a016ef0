"""Write a page as one self-contained HTML file, with one template for all pages, and a picture as an SVG file."""

from __future__ import annotations

import functools

import jinja2

from specialize.files.resources import resource_dir
from specialize.report.svg import Picture
from specialize.text.document import Page
from specialize.text.units import count, percent


def to_html(page: Page) -> str:
    """Return the HTML of a page; the same page gives the same bytes."""
    return _environment().get_template("page.html").render(page=page)


def picture_svg(picture: Picture) -> str:
    """Return a picture as an SVG file, light or dark as its viewer is."""
    return _environment().get_template("picture.svg").render(picture=picture)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates") / "report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": count, "percent": percent, "width": _width, "unbroken": _unbroken}
    return environment


def _unbroken(text: str) -> str:
    """Return a text that is not broken between a number and its per cent sign."""
    return text.replace(" %", "\u00a0%")


def _width(share: float) -> str:
    """Return a share as the width of a bar in per cent, for a style attribute."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"
