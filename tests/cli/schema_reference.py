"""The reference of all JSON outputs, made from the types that declare them."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from specialize.cli.schemas import SCHEMAS
from specialize.record import schema_of
from tests.cli.running import REPOSITORY

FOLDER = REPOSITORY / "docs" / "reference" / "json"
PAGE = REPOSITORY / "docs" / "reference" / "json-schemas.md"
_HEAD = """# JSON schemas

Every command takes `--json`; the first key of what it prints is `schema`, a name with a version.
A key may be added within a version; a key is never renamed or given another meaning within one.
Lengths, angles and times name their unit in the key: `_mm`, `_mrad`, `_px`, `_deg`, `_s`.
This page and the files in [json/](json/) (JSON Schema, draft 2020-12) are made from `specialize/cli/schemas`.
The tests check every output that they see against them.
"""


def documents() -> dict[Path, str]:
    """Return every file of the reference with its content."""
    schemas = {name: json_schema(kind) for name, kind in SCHEMAS.items()}
    files = {FOLDER / f"{name}.schema.json": json.dumps(s, indent=2) + "\n" for name, s in schemas.items()}
    return {**files, PAGE: _page(schemas)}


def json_schema(kind: type) -> dict[str, Any]:
    """Return the JSON Schema of a type, with the lines of its docstrings as descriptions."""
    schema = msgspec.json.schema(kind, schema_hook=schema_of)
    for definition in schema["$defs"].values():
        first, fields = _described(str(definition.get("description", "")))
        definition["description"] = first
        for name, text in fields.items():
            if name in definition.get("properties", {}):
                definition["properties"][name]["description"] = text
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _described(docstring: str) -> tuple[str, dict[str, str]]:
    """Return the first sentence of a docstring, and what it says of each attribute."""
    head, _, body = inspect.cleandoc(docstring).partition("Attributes:")
    lines = re.sub(r"\n\s{6,}", " ", body)
    return head.strip().split("\n\n")[0], dict(re.findall(r"^\s+(\w+): (.*)$", lines, re.MULTILINE))


def _page(schemas: dict[str, dict[str, Any]]) -> str:
    parts = [_HEAD]
    objects: dict[str, dict[str, Any]] = {}
    for name, schema in schemas.items():
        top = schema["$ref"].rpartition("/")[2]
        parts.append(
            f"## {name}\n\n{_section(schema['$defs'][top])}\n[JSON Schema](json/{name}.schema.json)\n"
        )
        objects.update({key: value for key, value in schema["$defs"].items() if key != top})
    tops = {schema["$ref"].rpartition("/")[2] for schema in schemas.values()}
    parts.append("## Objects\n")
    parts += [
        f"### {name}\n\n{_section(definition)}"
        for name, definition in sorted(objects.items())
        if name not in tops and definition.get("properties")
    ]
    return "\n".join(parts)


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
