"""What an installation can do, as JSON and as text."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import RenderableType

from specialize.cli.output import stack
from specialize.cli.tables import table
from specialize.explain.doctor import Extra, Installation, StorePlace
from specialize.text.units import size

SCHEMA = "specialize/doctor@1"


def doctor_json(found: Installation) -> dict[str, Any]:
    """Return what `specialize doctor --json` prints."""
    return {"schema": SCHEMA, "ok": not found.missing, **msgspec.to_builtins(found)}


def doctor_text(found: Installation) -> RenderableType:
    """Return what `specialize doctor` shows: what is missing first."""
    head = f"specialize {found.version}, Python {found.python}, {found.machine}"
    broken = [f"error: missing: {', '.join(found.missing)}; pip install specialize"] if found.missing else []
    parts = table("part", "for", "state")
    for column in parts.columns[1:]:
        column.justify = "left"
    for extra in found.extras:
        parts.add_row(extra.name, extra.purpose, _state(extra))
    needed = table("package", "version")
    for package in found.needed:
        needed.add_row(package.name, package.version or "missing")
    compiler = found.compiler or "none: `vehicle tool` needs one, as g++"
    return stack(head, *broken, parts, needed, f"store: {_room(found.store)}\nC++ compiler: {compiler}")


def _state(extra: Extra) -> str:
    return f"pip install 'specialize[{extra.name}]'" if extra.missing else "ready"


def _room(store: StorePlace) -> str:
    if store.bytes is None or store.free_bytes is None:
        return store.place
    return f"{store.place}, {size(store.bytes)}; {size(store.free_bytes)} free"
