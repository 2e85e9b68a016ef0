"""Render the contents of the store as tables."""

from __future__ import annotations

from specialize.digest import short
from specialize.store import Collected, Entry, Store
from specialize.store.check import Checked
from specialize.store.listing import Listing
from specialize.store.oci import OciExported
from specialize.text.document import Document, table, words
from specialize.text.units import counted, size


def ls_text(found: Listing) -> Document:
    """Return what `specialize store ls` shows."""
    head = f"{found.root}: {counted(len(found.objects), 'object')}, {size(found.bytes)}"
    if not found.entries:
        return (head, "nothing has been built with this store yet")
    rows = ((entry.kind, short(entry.key), entry.title) for entry in found.entries)
    body = table("kind", "key", *words("what"), rows=rows)
    return (head, body, "next: specialize store show KEY")


def show_text(entry: Entry, store: Store) -> Document:
    """Return what `specialize store show` shows."""
    rows = ((name, size(store.size(digest)), short(digest)) for name, digest in entry.objects.items())
    body = table("part", "size", "object", rows=rows)
    facts = "\n".join(f"{name}: {value}" for name, value in entry.info.items())
    return (f"{entry.kind} {entry.key}\n{entry.title}", body, *([facts] if facts else []))


def gc_text(done: Collected) -> Document:
    """Return what `specialize store gc` shows."""
    verb = "would remove" if done.dry_run else "removed"
    objects = f"{counted(len(done.objects), 'object')} ({size(done.bytes)})"
    return f"{verb} {objects} and {counted(len(done.entries), 'build')} that nothing names"


def export_text(done: OciExported) -> Document:
    """Return what `specialize store export` shows."""
    builds, blobs = counted(len(done.builds), "build"), counted(done.blobs, "blob")
    return f"{done.folder}: an OCI image layout of {builds}, {blobs}, {size(done.bytes)}"


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
