"""Fills the templates of targets: one frozen value in, text out."""

from __future__ import annotations

import json

import jinja2

from specialize.resources import resource_dir
from specialize.targets.base import FileFacts

HEADER = "specialize_model.h"


def render(template: str, facts: FileFacts, **more: object) -> str:
    """Return a template of `templates/targets` filled with what is known about a build."""
    text: str = _environment().get_template(template).render(facts=facts, **more)
    return text


def header(facts: FileFacts) -> str:
    """Return the C header that every build for a toolchain has: names, shapes, lengths, digests."""
    return render("common/model.h.j2", facts)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates") / "targets"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # shell, Python, JSON and YAML are quoted by filters
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "json": _json,
        "python": repr,
        "shell": _shell,
        "c_name": c_name,
        "c_string": _c_string,
    }
    return environment


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shell(value: object) -> str:
    import shlex

    return shlex.quote(str(value))


def _c_string(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=True)


def c_name(value: object) -> str:
    """Return a name that C takes, in capitals."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in str(value)).upper()
    return f"_{plain}" if plain[:1].isdigit() else plain
