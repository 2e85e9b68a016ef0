"""Render the description of an installation as text."""

from __future__ import annotations

from specialize.errors import install_command
from specialize.explain.doctor import Extra, Installation, StorePlace
from specialize.files.project import NAME
from specialize.text.document import Document, table, words
from specialize.text.units import size


def doctor_text(found: Installation) -> Document:
    """Return what `specialize doctor` shows: what is missing first."""
    head = f"specialize {found.version}, Python {found.python}, {found.machine}"
    broken = [f"error: missing: {', '.join(found.missing)}; pip install specialize"] if found.missing else []
    extras = ((extra.name, extra.purpose, _state(extra)) for extra in found.extras)
    parts = table(*words("part", "for", "state"), rows=extras)
    needed = table(
        "package", "version", rows=((each.name, each.version or "missing") for each in found.needed)
    )
    compiler = found.compiler or "none: `vehicle tool` needs one, as g++"
    return (
        head, *broken, parts, needed,
        f"store: {_room(found.store)}\nC++ compiler: {compiler}\nproject file: {_project(found)}",
    )  # fmt: skip


def _project(found: Installation) -> str:
    if found.project is None:
        return f"none: no {NAME} here or above"
    return ", ".join([str(found.project), *(f"{key} = {value}" for key, value in found.settings.items())])


def _state(extra: Extra) -> str:
    return install_command(extra.name) if extra.missing else "ready"


def _room(store: StorePlace) -> str:
    if store.bytes is None or store.free_bytes is None:
        return store.place
    return f"{store.place}, {size(store.bytes)}; {size(store.free_bytes)} free"
