"""The store's content, as JSON and as tables."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from specialize.digest import short
from specialize.store import Collected, Entry, Store
from specialize.store.check import Checked
from specialize.text.document import Document, table, words
from specialize.text.units import counted, size

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


def ls_text(data: dict[str, Any]) -> Document:
    """Return what `specialize store ls` shows."""
    head = f"{data['root']}: {counted(len(data['objects']), 'object')}, {size(data['bytes'])}"
    if not data["entries"]:
        return (head, "nothing has been built with this store yet")
    rows = ((entry["kind"], short(entry["key"]), entry["title"]) for entry in data["entries"])
    body = table("kind", "key", *words("what"), rows=rows)
    return (head, body, "next: specialize store show KEY")


def show_json(entry: Entry) -> dict[str, Any]:
    """Return what `specialize store show --json` prints."""
    return {"schema": SHOW_SCHEMA, "entry": msgspec.to_builtins(entry)}


def show_text(store: Store, entry: Entry) -> Document:
    """Return what `specialize store show` shows."""
    rows = ((name, size(store.size(digest)), short(digest)) for name, digest in entry.objects.items())
    body = table("part", "size", "object", rows=rows)
    facts = "\n".join(f"{name}: {value}" for name, value in entry.info.items())
    return (f"{entry.kind} {entry.key}\n{entry.title}", body, *([facts] if facts else []))


def gc_json(done: Collected, dry_run: bool) -> dict[str, Any]:
    """Return what `specialize store gc --json` prints."""
    return {
        "schema": GC_SCHEMA,
        "dry_run": dry_run,
        "entries": list(done.entries),
        "objects": list(done.objects),
        "bytes": done.freed,
    }


def gc_text(done: Collected, dry_run: bool) -> Document:
    """Return what `specialize store gc` shows."""
    verb = "would remove" if dry_run else "removed"
    objects = f"{counted(len(done.objects), 'object')} ({size(done.freed)})"
    return f"{verb} {objects} and {counted(len(done.entries), 'build')} that nothing names"


def damage_json(checked: Checked, done: str) -> dict[str, Any]:
    """Return what `specialize store check --json` prints; `done` says what was done with what is damaged."""
    return {
        "schema": CHECK_SCHEMA,
        "ok": checked.ok,
        "damaged": [asdict(damage) for damage in (*checked.objects, *checked.far_objects)],
        "damaged_entries": [asdict(entry) for entry in (*checked.entries, *checked.far_entries)],
        "removed": bool(done),
    }


def damage_text(checked: Checked, done: str) -> Document:
    """Return what `specialize store check` shows."""
    if checked.ok:
        return "every object and every entry is as it was written"
    lines = [
        *(
            f"damaged: {damage.where}: content of {damage.digest} reads as {short(damage.found)}"
            for damage in (*checked.objects, *checked.far_objects)
        ),
        *(f"damaged: {entry.where}: {entry.reason}" for entry in (*checked.entries, *checked.far_entries)),
    ]
    following = f"{done}; made again when needed" if done else "next: specialize store check --repair"
    return ("\n".join(lines), following)
