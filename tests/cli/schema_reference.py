"""The reference of all JSON outputs, made from the types that declare them."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from specialize.cli.results import RESULTS, Result, found_at
from specialize.text.record import schema_of
from tests.cli.running import REPOSITORY

FOLDER = REPOSITORY / "docs" / "reference" / "json"
PAGE = REPOSITORY / "docs" / "reference" / "json-schemas.md"
_HEAD = """# JSON schemas

Every command takes `--json`; the first key of what it prints is `schema`, a name with a version.
A key may be added within a version; a key is never renamed or given another meaning within one.
Lengths, angles and times name their unit in the key: `_mm`, `_mrad`, `_px`, `_deg`, `_s`.
This page and the files in `json/` (JSON Schema, draft 2020-12) are made from records in `specialize/`.
The tests check every output that they see against them.
"""


def documents() -> dict[Path, str]:
    """Return every file of the reference with its content."""
    schemas = {name: json_schema(result) for name, result in RESULTS.items()}
    files = {FOLDER / f"{name}.schema.json": json.dumps(s, indent=2) + "\n" for name, s in schemas.items()}
    return {**files, PAGE: _page(schemas)}


def json_schema(result: Result) -> dict[str, Any]:
    """Return the JSON Schema of what a command prints, with the lines of its record's docstrings as descriptions."""
    kind = found_at(result.record)
    schema = msgspec.json.schema(kind, schema_hook=schema_of)
    for record in _records(msgspec.inspect.type_info(kind)):
        definition = schema["$defs"][record.__name__]
        definition["description"], meanings = _described(record)
        definition["required"] = _always_there(record, definition)
        for name, value in definition["properties"].items():
            if name in meanings:
                value["description"] = meanings[name]
    top = schema["$defs"][kind.__name__]
    if "schema" not in top["properties"]:
        top["properties"] = {"schema": {"enum": [f"specialize/{result.schema}"]}, **top["properties"]}
        top["required"] = ["schema", *top["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _records(info: object) -> Iterator[type]:
    """Yield all records that a type is made of."""
    seen: dict[type, None] = {}
    left = [info]
    while left:
        one = left.pop()
        if isinstance(one, tuple | list):
            left += one
        elif isinstance(one, msgspec.Struct) and getattr(one, "cls", None) not in seen:
            if isinstance(one, msgspec.inspect.StructType | msgspec.inspect.DataclassType):
                seen[one.cls] = None
            left += [getattr(one, name) for name in one.__struct_fields__]
    yield from seen


def _always_there(record: type, definition: dict[str, Any]) -> list[str]:
    """Return the keys that every output has: all, but for those that are left out where they say nothing."""
    required: list[str] = definition["required"]
    if issubclass(record, msgspec.Struct):
        return required if record.__struct_config__.omit_defaults else list(definition["properties"])
    absent = {field.name for field in dataclasses.fields(record) if field.default is msgspec.UNSET}
    return [name for name in definition["properties"] if name not in absent]


def _described(record: type) -> tuple[str, dict[str, str]]:
    """Return the first sentence of a record's docstring, and what it and those of its bases say of each attribute."""
    meanings: dict[str, str] = {}
    for base in record.__mro__[:-1]:
        head, _, body = inspect.cleandoc(base.__doc__ or "").partition("Attributes:")
        lines = re.sub(r"\n\s{6,}", " ", body)
        meanings = dict(re.findall(r"^\s+(\w+): (.*)$", lines, re.MULTILINE)) | meanings
    head = inspect.cleandoc(record.__doc__ or "").partition("Attributes:")[0]
    return head.strip().split("\n\n")[0], meanings


def _page(schemas: dict[str, dict[str, Any]]) -> str:
    parts = [_HEAD]
    objects: dict[str, dict[str, Any]] = {}
    for name, schema in schemas.items():
        top = schema["$ref"].rpartition("/")[2]
        parts.append(
            f"## {name}\n\n{_section(schema['$defs'][top])}\n[JSON Schema](json/{name}.schema.json)\n"
        )
        for key, value in schema["$defs"].items():
            assert objects.get(key, value) == value, f"two records are called {key}"
            objects |= {key: value} if key != top else {}
    tops = {schema["$ref"].rpartition("/")[2]: name for name, schema in schemas.items()}
    parts.append("## Objects\n")
    parts += [
        f"### {name}\n\n{_section(definition)}"
        for name, definition in sorted(objects.items())
        if name not in tops and definition.get("properties")
    ]
    text = "\n".join(parts)
    for record, name in tops.items():  # described where it is printed, not among the objects
        text = text.replace(f"(#{record.lower()})", f"(#{name})")
    return text


def _section(definition: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_type(value)} | {value.get('description', '')} |"
        for name, value in definition["properties"].items()
    ]
    return "\n".join(
        [definition["description"], "", "| key | type | meaning |", "| --- | --- | --- |", *rows, ""]
    )


def _type(value: dict[str, Any]) -> str:
    """Return a type in a few words, with links to objects."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_type(one) for one in value["anyOf"]))
    if "const" in value or "enum" in value:
        found = value.get("enum") or [value["const"]]
        return " or ".join(f"`{one}`" for one in found)
    if value.get("type") == "array":
        inner = value.get("items") or next(iter(value.get("prefixItems", [])), {})
        return f"list of {_type(inner)}" if inner else "list"
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        return f"object of {_type(inner)}" if isinstance(inner, dict) and inner else "object"
    kinds = value.get("type", "any")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)
