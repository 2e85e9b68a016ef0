"""Collect garbage: remove what no entry names, after a grace period of one day."""

from __future__ import annotations

import time
from collections.abc import Collection

from specialize.store.entry import Entry
from specialize.store.local import Store
from specialize.text.record import Record
from specialize.version import code_version

GRACE_S = 86_400.0
BELONGS_TO_FLEETS = ("build", "table")
RECORDING = "recording"
"""What builds are proven with at their sites."""


class Collected(Record, frozen=True, kw_only=True):
    """`specialize store gc --json`.

    Attributes:
        dry_run: Whether nothing was removed.
        entries: Entries that nothing names.
        objects: Objects that no entry names.
        bytes: What they take.
    """

    dry_run: bool
    entries: tuple[str, ...]
    objects: tuple[str, ...]
    bytes: int


def collect(
    store: Store, keep_builds: Collection[str] | None, *, dry_run: bool, grace_s: float = GRACE_S
) -> Collected:
    """Remove build entries that are not kept, then objects that no entry names.

    Args:
        store: The store.
        keep_builds: Keys of the builds and tables that fleets name; None keeps all.
        dry_run: Report what would be removed, without removing it.
        grace_s: Objects added within this many seconds stay, because an entry that names them may not be written yet.

    Raises:
        InputError: An entry is damaged; nothing was removed.
    """
    gone: list[tuple[str, str]] = []
    named: set[str] = set()
    for entry in store.entries():
        if _kept(entry, keep_builds):
            named.update(entry.objects.values())
        else:
            gone.append((entry.kind, entry.key))
    before = time.time() - grace_s
    idle = (digest for digest in store.digests() if digest not in named)
    sizes = {digest: store.size(digest) for digest in idle if _age(store, digest) < before}
    if not dry_run:
        for name in gone:
            store.discard_entry(*name)
        sizes = {digest: size for digest, size in sizes.items() if store.discard(digest, older_than=before)}
        _sweep(store, before)
    return Collected(
        dry_run=dry_run,
        entries=tuple(key for _, key in gone),
        objects=tuple(sizes),
        bytes=sum(sizes.values()),
    )


def _kept(entry: Entry, keep_builds: Collection[str] | None) -> bool:
    if entry.kind == RECORDING:
        return entry.info.get("code") == code_version()  # only builds by the same code can use it
    return entry.kind not in BELONGS_TO_FLEETS or keep_builds is None or entry.key in keep_builds


def _age(store: Store, digest: str) -> float:
    return store.locate(digest).stat().st_mtime


def _sweep(store: Store, before: float) -> None:
    """Remove files that a killed process left before it had added them."""
    for path in store.scratch().iterdir():
        if path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
