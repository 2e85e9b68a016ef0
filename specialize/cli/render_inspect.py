"""What a build or a model is, as JSON and as text."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import RenderableType
from rich.table import Table

from specialize.artifact import Build, PassNote, Tensor
from specialize.cli.output import stack
from specialize.cli.render_build import headline, proof, sites_table, ties, title
from specialize.cli.render_costs import forms_table
from specialize.cli.tables import size, table

SCHEMA = "specialize/inspect@1"


def build_json(build: Build) -> dict[str, Any]:
    """Return what `specialize inspect BUILD --json` prints."""
    return {
        "schema": SCHEMA,
        "kind": "build",
        "path": str(build.folder),
        "manifest": msgspec.to_builtins(build.manifest),
    }


def build_text(build: Build) -> RenderableType:
    """Return what `specialize inspect BUILD` shows."""
    manifest = build.manifest
    return stack(
        title(manifest),
        headline(manifest.sites),
        sites_table(manifest.sites),
        *([forms_table(manifest.flops)] if manifest.flops else []),
        _tensors({"in": manifest.inputs, "out": manifest.outputs}),
        _passes(manifest.passes),
        _files(build),
        f"{proof(manifest.verify)}\n{ties(manifest)}",
    )


def model_text(data: dict[str, Any]) -> RenderableType:
    """Return what `specialize inspect MODEL.onnx` shows: facts, then lists, then the draft of a sidecar."""
    facts = "\n".join(
        f"{key}: {value}" for key, value in data.items() if isinstance(value, str | int | float)
    )
    lists = [_listed(key, value) for key, value in data.items() if isinstance(value, list | dict) and value]
    return stack(facts, *lists)


def _listed(key: str, value: list[Any] | dict[str, Any]) -> str:
    items = (
        [f"{name}: {item}" for name, item in value.items()] if isinstance(value, dict) else map(str, value)
    )
    return "\n  ".join([f"{key}:", *items])


def _tensors(groups: dict[str, tuple[Tensor, ...]]) -> Table:
    body = table("tensor", "", "type", "shape")
    for way, tensors in groups.items():
        for tensor in tensors:
            body.add_row(tensor.name, way, tensor.dtype, " x ".join(map(str, tensor.shape)))
    return body


def _passes(notes: tuple[PassNote, ...]) -> Table:
    body = table("pass", "", "where", "what")
    for column in body.columns[1:]:
        column.justify, column.no_wrap = "left", False
    for note in notes:
        body.add_row(note.name, "done" if note.applied else "declined", note.where, note.reason)
    return body


def _files(build: Build) -> Table:
    body = table("file", "size")
    for name, record in build.manifest.files.items():
        body.add_row(name, size(record.size))
    return body
