"""Fills the templates of targets: one frozen value in, text out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import jinja2

from specialize.errors import InputError
from specialize.files.resources import resource_dir
from specialize.targets.base import FileFacts, TensorFacts

HEADER = "specialize_model.h"


def render(template: str, facts: FileFacts, **more: object) -> str:
    """Return a template of `templates/targets` filled with what is known about a build."""
    text: str = _environment().get_template(template).render(facts=facts, **more)
    return text


def header(facts: FileFacts) -> str:
    """Return the C header that every build for a toolchain has: names, shapes, lengths, digests."""
    tensors = {"INPUT": _with_c_names(facts.inputs), "OUTPUT": _with_c_names(facts.outputs)}
    return render("common/model.h.j2", facts, tensors=tensors)


def listed(names: Iterable[str], what: str, separator: str = ";") -> str:
    """Return names as one text, as toolchains want them.

    Raises:
        InputError: A name has the separator in it: the toolchain would read two.
    """
    names = list(names)
    wrong = next((name for name in names if separator in name), None)
    if wrong is not None:
        hint = f"the toolchain separates names with {separator!r}: give it another name when the model is exported"
        raise InputError(f"{what} {wrong!r}", f"a name without {separator!r}", "one with it", hint)
    return separator.join(names)


def named_shapes(facts: FileFacts, between: str) -> str:
    """Return every input with its shape, `name:1x3;other:2x4`.

    Raises:
        InputError: A name has the separator in it.
    """
    listed((tensor.name for tensor in facts.inputs), "input")
    return ";".join(f"{each.name}:{between.join(map(str, each.shape))}" for each in facts.inputs)


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
        "json_text": _json_text,
        "python": repr,
        "listed": listed,
        "shell": _shell,
        "c_name": c_name,
        "c_string": _c_string,
    }
    return environment


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json_text(value: object) -> str:
    """Return JSON in which nothing looks like a comment: some compilers take those out before they read it."""
    return re.sub(r"(?<=/)[/*]", lambda found: "\\/" if found[0] == "/" else "\\u002a", _json(value))


def _shell(value: object) -> str:
    import shlex

    return shlex.quote(str(value))


def _c_string(value: object) -> str:
    """Return a literal of C: UTF-8, everything but plain letters escaped in a way that every standard reads."""
    return '"' + "".join(_c_byte(byte) for byte in str(value).encode()) + '"'


def _c_byte(byte: int) -> str:
    letter = chr(byte)
    if letter in '"\\?':  # two question marks begin a trigraph
        return f"\\{letter}"
    return letter if 32 <= byte < 127 else f"\\{byte:03o}"


def _with_c_names(tensors: Iterable[TensorFacts]) -> list[tuple[str, TensorFacts]]:
    """Return each tensor with a name for C: none is another one's, or what is defined beside another one."""
    taken: set[str] = set()
    named = []
    for tensor in tensors:
        first = name = c_name(tensor.name)
        number = 1
        while taken & _defined(name):
            number += 1
            name = f"{first}_{number}"
        taken |= _defined(name)
        named.append((name, tensor))
    return named


def _defined(name: str) -> set[str]:
    return {name, *(f"{name}_{part}" for part in ("TYPE", "SHAPE", "BYTES"))}


def c_name(value: object) -> str:
    """Return a name that C takes, in capitals."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in str(value)).upper()
    return f"_{plain}" if plain[:1].isdigit() else plain
