"""A store of many builds: names are read before entries, entries one at a time, and each once."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

from specialize import digest as digest_module
from specialize.digest import digest_bytes, digest_file
from specialize.errors import InputError
from specialize.store import Entry, Store, collect, local
from specialize.store.check import check_store
from specialize.store.find import find_by_prefix
from specialize.store.listing import list_store

COUNT = 50


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store of many builds that share their weights, and one export."""
    store = Store(tmp_path)
    weights = store.put_bytes(b"weights")
    for number in range(COUNT):
        objects = {"weights": weights, "graph": store.put_bytes(f"graph {number}".encode())}
        key = digest_bytes(f"key {number}".encode())
        store.write_entry(Entry(kind="build", key=key, title=f"car {number}", objects=objects))
    key = digest_bytes(b"export")
    store.write_entry(Entry(kind="export", key=key, title="a model", objects={"weights": weights}))
    return store


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> collections.Counter[str]:
    """Count how often each entry is read."""
    seen: collections.Counter[str] = collections.Counter()
    read = local.read_entry

    def counted(path: Path) -> Entry:
        seen[path.name] += 1
        return read(path)

    monkeypatch.setattr(local, "read_entry", counted)
    return seen


def test_names_are_found_without_reading(store: Store, reads: collections.Counter[str]) -> None:
    """One build among many costs one entry; a kind costs its own; a prefix of several is told from their names."""
    key = digest_bytes(b"key 7")
    assert find_by_prefix(store, key[7:20]).title == "car 7"
    assert reads.total() == 1
    assert [entry.title for entry in store.entries("export")] == ["a model"]
    assert reads.total() == 2
    with pytest.raises(InputError, match=f"{COUNT + 1}: build"):
        find_by_prefix(store, "")
    assert len(list(store.names())) == COUNT + 1
    assert reads.total() == 2


def test_listing_and_collecting_read_each_entry_once(store: Store, reads: collections.Counter[str]) -> None:
    """Also when half of the builds go; what is kept stays whole."""
    assert len(list_store(store).entries) == COUNT + 1
    assert set(reads.values()) == {1}
    reads.clear()
    kept = {digest_bytes(f"key {number}".encode()) for number in range(0, COUNT, 2)}
    done = collect(store, kept, dry_run=False, grace_s=-60.0)
    assert set(reads.values()) == {1}
    assert (len(done.entries), len(done.objects)) == (COUNT // 2, COUNT // 2)
    assert {key for _, key in store.names("build")} == kept
    assert check_store(store).ok


def test_entries_are_read_as_they_are_asked_for(store: Store, reads: collections.Counter[str]) -> None:
    """Looking at entries one after the other does not hold them all."""
    entries = store.entries()
    next(entries)
    assert reads.total() == 1
    next(entries)
    assert reads.total() == 2


def test_a_process_keeps_only_so_many_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking a large store does not fill the memory with what was checked."""
    monkeypatch.setattr(digest_module, "_MOST_KNOWN", 4)
    monkeypatch.setattr(digest_module, "_SETTLED_NS", -(10**12))
    for number in range(10):
        path = tmp_path / str(number)
        path.write_bytes(b"%d" % number)
        assert digest_file(path) == digest_bytes(b"%d" % number)
        assert len(digest_module._known) <= 4
