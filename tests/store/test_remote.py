"""A store behind a URL: what one machine writes, another reads, and damage on the way is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from specialize.digest import digest_bytes
from specialize.errors import InputError, UsageError
from specialize.store import Entry, Store, open_store
from specialize.store.check import check_store, take_out
from specialize.store.remote import Remote, open_remote

KEY = digest_bytes(b"key")


@pytest.fixture(params=["memory://fleet/store", "file://{}/far"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty remote store, in memory or in a folder."""
    yield request.param.format(tmp_path)
    fsspec.filesystem("memory").store.clear()


def machine(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store as a machine with its own cache sees it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return open_store(url)


def test_another_machine_finds_what_was_made(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects and entries written on one machine are found and read on another, and kept near there."""
    first = machine(url, tmp_path / "a", monkeypatch)
    (tmp_path / "weights").write_bytes(b"weights")
    objects = {"graph": first.put_bytes(b"graph"), "weights": first.adopt_file(tmp_path / "weights")}
    made = Entry(kind="export", key=KEY, title="a model", objects=objects)
    first.write_entry(made)
    second = machine(url, tmp_path / "b", monkeypatch)
    assert second.root != first.root
    assert second.find_entry("export", KEY) == made
    assert list(second.entries()) == [made]
    assert second.read(objects["weights"]) == b"weights"
    assert Store(second.root).has(objects["weights"])


def test_nothing_is_found_where_nothing_was_made(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty remote store has neither entries nor objects, and says which object is missing."""
    store = machine(url, tmp_path / "a", monkeypatch)
    assert store.find_entry("export", KEY) is None
    assert list(store.entries()) == []
    assert not store.has(KEY)
    with pytest.raises(InputError, match=KEY):
        store.path(KEY)


def test_an_object_damaged_far_away_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was damaged in the remote store does not enter the local one."""
    digest = machine(url, tmp_path / "a", monkeypatch).put_bytes(b"weights")
    remote = open_remote(url)
    place = next(str(path) for path in remote.files.find(remote.root) if "objects" in str(path))
    remote.files.pipe_file(place, b"weighty")
    second = machine(url, tmp_path / "b", monkeypatch)
    with pytest.raises(InputError, match="content of"):
        second.read(digest)
    assert list(second.digests()) == []
    assert list(second.scratch().iterdir()) == []


@pytest.mark.parametrize("way", ["put", "named"])
def test_content_lost_far_away_is_sent_again(
    way: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Putting what is near but no longer far sends it again, and so does naming it."""
    store = machine(url, tmp_path / "a", monkeypatch)
    digest = store.put_bytes(b"weights")
    remote = open_remote(url)
    remote.files.rm(remote.root, recursive=True)
    assert not remote.has(digest)
    if way == "put":
        store.put_bytes(b"weights")
    else:
        assert store.named(digest) == digest
    assert list(remote.digests()) == [digest]


def test_a_reader_never_sees_half_an_object(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that fails between writing and naming leaves nothing under the object's name."""
    store = machine(url, tmp_path / "a", monkeypatch)
    remote = open_remote(url)

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(type(remote.files), "mv", fail)
    with pytest.raises(InputError, match="a writable store"):
        store.put_bytes(b"weights")
    assert not remote.has(digest_bytes(b"weights"))
    assert list(remote.digests()) == []


def test_an_unknown_kind_of_url_is_usage() -> None:
    """A URL that nothing here can read exits 2 and names what is wrong."""
    with pytest.raises(UsageError, match="nosuch"):
        open_store("nosuch://x/y")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL whose package is not installed says which package is wanted."""

    def missing(url: str, **options: object) -> tuple[object, str]:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(UsageError, match=r"(?s)s3fs.*specialize\[s3\]"):
        open_remote("s3://bucket/x")


def test_the_same_url_is_the_same_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two openings of one URL share what was fetched; another URL does not."""
    roots = [machine(url, tmp_path, monkeypatch).root for url in ("memory://a", "memory://a", "memory://b")]
    assert roots[0] == roots[1] != roots[2]


def test_a_remote_is_a_plain_value(tmp_path: Path) -> None:
    """A remote knows its URL and its root."""
    remote = open_remote(f"file://{tmp_path}")
    assert isinstance(remote, Remote)
    assert remote.root == str(tmp_path)


def test_damage_far_away_is_found_and_repaired(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed in the remote store is found; what is intact near is sent again, what is not is gone."""
    store = machine(url, tmp_path / "a", monkeypatch)
    digest = store.put_bytes(b"weights")
    store.write_entry(Entry(kind="export", key=KEY, title="a model", objects={"weights": digest}))
    remote = open_remote(url)
    for place in map(str, remote.files.find(remote.root)):
        data = remote.files.cat_file(place)
        remote.files.pipe_file(place, data[:-1] + bytes([data[-1] ^ 1]))
    checked = check_store(store)
    assert [damage.digest for damage in checked.far_objects] == [digest]
    assert len(checked.far_entries) == 1
    assert not checked.objects and not checked.entries
    take_out(store, checked, keep=True)
    assert check_store(store).ok
    assert machine(url, tmp_path / "b", monkeypatch).read(digest) == b"weights"
