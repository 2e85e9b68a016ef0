"""JSON of commands about the store."""

from __future__ import annotations

from specialize.store import Entry, Store
from specialize.store.check import BadEntry, Checked
from specialize.store.damage import Damage
from specialize.text.record import Record


class StoreShow(Record, frozen=True, kw_only=True):
    """`specialize store show --json`.

    Attributes:
        entry: The entry, with the objects of its parts.
    """

    entry: Entry


class StoreCheck(Record, frozen=True, kw_only=True):
    """`specialize store check --json`.

    Attributes:
        ok: Whether every object is what its name says, and every entry as it was written.
        damaged: Objects that are not.
        damaged_entries: Entries that are not.
        removed: Whether both were taken out: moved aside or removed.
    """

    ok: bool
    damaged: tuple[Damage, ...]
    damaged_entries: tuple[BadEntry, ...]
    removed: bool


def shown(entry: Entry, store: Store) -> StoreShow:
    """Return what `specialize store show --json` prints."""
    return StoreShow(entry=entry)


def checked(found: Checked, done: str) -> StoreCheck:
    """Return what `specialize store check --json` prints; `done` says what was done with what is damaged."""
    damaged = (*found.objects, *found.far_objects)
    entries = (*found.entries, *found.far_entries)
    return StoreCheck(ok=found.ok, damaged=damaged, damaged_entries=entries, removed=bool(done))
