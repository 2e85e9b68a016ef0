"""Find objects whose content does not match their name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from specialize.digest import digest_file
from specialize.files.atomic import explained
from specialize.store.entry import Entry
from specialize.store.local import Store


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged object.

    Attributes:
        digest: Its name.
        found: Digest of its content.
        where: The file, or the address of the store.
    """

    digest: str
    found: str
    where: str


def damages(store: Store, digests: Iterable[str]) -> Iterator[Damage]:
    """Read objects, each once per process, and yield those that changed under their name.

    Raises:
        InputError: The store has no such object.
    """
    for digest in digests:
        place = store.locate(digest)
        with explained(place):
            found = digest_file(place)
        if found != digest:
            yield Damage(digest, found, str(place))


def is_intact(store: Store, entry: Entry) -> bool:
    """Return whether every part of an entry matches its name."""
    return next(damages(store, entry.objects.values()), None) is None
