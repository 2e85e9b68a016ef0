"""The store's content, as JSON and as tables."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import RenderableType

from specialize.cli.output import stack
from specialize.cli.tables import size, table
from specialize.cli.words import counted
from specialize.digest import short
from specialize.store import Collected, Damage, Entry, Store

LS_SCHEMA = "specialize/store-ls@1"
SHOW_SCHEMA = "specialize/store-show@1"
GC_SCHEMA = "specialize/store-gc@1"
CHECK_SCHEMA = "specialize/store-check@1"


def ls_json(store: Store, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """Return what `specialize store ls --json` prints."""
    sizes = {digest: store.size(digest) for digest in store.digests()}
    return {
        "schema": LS_SCHEMA,
        "root": str(store.root),
        "entries": [{"kind": entry.kind, "key": entry.key, "title": entry.title} for entry in entries],
        "objects": [{"digest": digest, "size": count} for digest, count in sizes.items()],
        "bytes": sum(sizes.values()),
    }


def ls_text(data: dict[str, Any]) -> RenderableType:
    """Return what `specialize store ls` shows."""
    head = f"{data['root']}: {counted(len(data['objects']), 'object')}, {size(data['bytes'])}"
    if not data["entries"]:
        return stack(head, "nothing has been built with this store yet")
    body = table("kind", "key", "what")
    body.columns[2].justify = "left"
    for entry in data["entries"]:
        body.add_row(entry["kind"], short(entry["key"]), entry["title"])
    return stack(head, body, "next: specialize store show KEY")


def show_json(entry: Entry) -> dict[str, Any]:
    """Return what `specialize store show --json` prints."""
    return {"schema": SHOW_SCHEMA, "entry": msgspec.to_builtins(entry)}


def show_text(store: Store, entry: Entry) -> RenderableType:
    """Return what `specialize store show` shows."""
    body = table("part", "size", "object")
    for name, digest in entry.objects.items():
        body.add_row(name, size(store.size(digest)), short(digest))
    facts = "\n".join(f"{name}: {value}" for name, value in entry.info.items())
    return stack(f"{entry.kind} {entry.key}\n{entry.title}", body, *([facts] if facts else []))


def gc_json(done: Collected, dry_run: bool) -> dict[str, Any]:
    """Return what `specialize store gc --json` prints."""
    return {
        "schema": GC_SCHEMA,
        "dry_run": dry_run,
        "entries": list(done.entries),
        "objects": list(done.objects),
        "bytes": done.freed,
    }


def gc_text(done: Collected, dry_run: bool) -> RenderableType:
    """Return what `specialize store gc` shows."""
    verb = "would remove" if dry_run else "removed"
    objects = f"{counted(len(done.objects), 'object')} ({size(done.freed)})"
    return f"{verb} {objects} and {counted(len(done.entries), 'build')} that nobody names"


def damage_json(damages: tuple[Damage, ...], removed: bool) -> dict[str, Any]:
    """Return what `specialize store check --json` prints."""
    found = [{"digest": damage.digest, "found": damage.found} for damage in damages]
    return {"schema": CHECK_SCHEMA, "ok": not damages, "damaged": found, "removed": removed}


def damage_text(damages: tuple[Damage, ...], removed: bool) -> RenderableType:
    """Return what `specialize store check` shows."""
    if not damages:
        return "every object is what its name says"
    lines = "\n".join(f"damaged: {damage.digest} reads as {short(damage.found)}" for damage in damages)
    following = (
        "removed; they are made again when needed" if removed else "next: specialize store check --remove"
    )
    return stack(lines, following)
