"""The store keeps content under its digest, once, despite concurrent writers and killed processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from specialize.digest import digest_bytes
from specialize.errors import InputError, SpecializeError
from specialize.store import Entry, Store, collect, damages, open_store
from specialize.store.check import check_store, take_out
from tests.conftest import FORBIDDEN_STORE

KEY = digest_bytes(b"key")
OTHER = digest_bytes(b"other key")

WRITE_MANY = """
import pathlib, sys
from specialize.store import open_store
store = open_store(pathlib.Path(sys.argv[1]))
for turn in range(50):
    digest = store.put_bytes(b"shared %d" % turn)
    store.put_bytes(b"%s %d" % (sys.argv[2].encode(), turn))
    assert store.read(digest) == b"shared %d" % turn
"""


@pytest.fixture
def store(store_dir: Path) -> Store:
    """Return the store of this test."""
    return open_store()


def entry(store: Store, kind: str, key: str, data: bytes) -> Entry:
    """Put one object into the store and name it."""
    made = Entry(kind=kind, key=key, title="a thing", objects={"part": store.put_bytes(data)})
    store.write_entry(made)
    return made


def flip(path: Path) -> None:
    """Flip one bit of a file, as a bad disk does."""
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_the_default_store_is_out_of_bounds_in_tests() -> None:
    """A test that does not name its store cannot open one."""
    assert os.environ["SPECIALIZE_STORE"] == FORBIDDEN_STORE
    with pytest.raises(SpecializeError, match="tests-name-their-own-store"):
        open_store()


def test_the_environment_is_read_at_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store follows `SPECIALIZE_STORE`, and without it lies in the user's cache folder."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "a"))
    assert open_store().root == tmp_path / "a"
    monkeypatch.delenv("SPECIALIZE_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_store().root.is_relative_to(tmp_path)


def test_content_comes_back(store: Store, tmp_path: Path) -> None:
    """Bytes and files come back under the digest of their content."""
    (tmp_path / "f").write_bytes(b"two")
    assert store.put_bytes(b"one") == digest_bytes(b"one")
    assert store.put_file(tmp_path / "f") == digest_bytes(b"two")
    assert store.read(digest_bytes(b"one")) == b"one"
    assert store.path(digest_bytes(b"two")).read_bytes() == b"two"


def test_equal_content_is_kept_once(store: Store, tmp_path: Path) -> None:
    """The same content, from bytes, a copied and a moved file, is one object."""
    for name in ("copied", "moved"):
        (tmp_path / name).write_bytes(b"weights")
    digests = {
        store.put_bytes(b"weights"),
        store.put_file(tmp_path / "copied"),
        store.adopt_file(tmp_path / "moved"),
    }
    assert list(store.digests()) == sorted(digests)
    assert (tmp_path / "copied").exists()
    assert not (tmp_path / "moved").exists()


def test_a_moved_file_is_not_copied(store: Store) -> None:
    """A file from the scratch folder becomes the object itself."""
    path = store.scratch() / "big"
    path.write_bytes(b"weights")
    inode = path.stat().st_ino
    assert store.path(store.adopt_file(path)).stat().st_ino == inode


def test_an_unpacked_object_is_a_file_of_its_own(store: Store, tmp_path: Path) -> None:
    """An unpacked object has one name, as readers of ONNX want it, and survives the store's."""
    digest = store.put_bytes(b"weights")
    store.unpack(digest, tmp_path / "weights.data")
    assert (tmp_path / "weights.data").stat().st_nlink == 1
    store.discard(digest)
    assert (tmp_path / "weights.data").read_bytes() == b"weights"


def test_writing_into_an_unpacked_object_leaves_the_store_whole(store: Store, tmp_path: Path) -> None:
    """Whoever changes a build's weights in place does not change the store's."""
    digest = store.put_bytes(b"weights")
    store.unpack(digest, tmp_path / "weights.data")
    (tmp_path / "weights.data").write_bytes(b"changed")
    assert store.read(digest) == b"weights"


def test_a_missing_object_is_an_error(store: Store, tmp_path: Path) -> None:
    """Asking for what was never put names the digest."""
    for ask in (store.path, store.read, store.size):
        with pytest.raises(InputError, match=KEY):
            ask(KEY)
    with pytest.raises(InputError, match=KEY):
        store.unpack(KEY, tmp_path / "x")
    assert not store.has(KEY)


@pytest.mark.parametrize("digest", ["", "sha256:../../etc/passwd", "sha256:abc", "md5:" + "0" * 64])
def test_a_digest_cannot_lead_outside(store: Store, digest: str) -> None:
    """Something that is no digest is refused before it becomes a path."""
    with pytest.raises(InputError, match="digest"):
        store.path(digest)
    with pytest.raises(InputError, match="digest"):
        store.find_entry("build", digest)


def test_a_flipped_bit_is_found(store: Store) -> None:
    """An object that changed under its name is found, and only that one."""
    good, bad = store.put_bytes(b"good"), store.put_bytes(b"bad")
    assert list(damages(store, store.digests())) == []
    flip(store.path(bad))
    assert [damage.digest for damage in damages(store, store.digests())] == [bad]
    assert store.read(good) == b"good"


@pytest.mark.parametrize("use", ["path", "read", "unpack"])
def test_a_damaged_object_is_not_handed_out(store: Store, tmp_path: Path, use: str) -> None:
    """Whoever reads an object gets what its name says or an error that names it and what to do."""
    bad = store.put_bytes(b"bad")
    flip(store.path(bad))
    more = (tmp_path / "copy",) if use == "unpack" else ()
    with pytest.raises(InputError, match=f"content of {bad}.*\n\n.*store check --repair"):
        getattr(store, use)(bad, *more)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("put", ["bytes", "file", "move"])
def test_putting_the_content_again_replaces_what_is_damaged(store: Store, tmp_path: Path, put: str) -> None:
    """An object that is there under its name, but damaged, does not keep the intact content out."""
    digest = store.put_bytes(b"weights")
    flip(store.path(digest))
    (tmp_path / "file").write_bytes(b"weights")
    ways = {"bytes": store.put_bytes, "file": store.put_file, "move": store.adopt_file}
    assert ways[put](b"weights" if put == "bytes" else tmp_path / "file") == digest
    assert store.read(digest) == b"weights"


def test_every_flipped_byte_of_an_entry_is_noticed(store: Store) -> None:
    """Any change of an entry's file is an error when it is read."""
    entry(store, "export", KEY, b"model")
    path = next((store.root / "entries").rglob("*.json"))
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        for read in (lambda: store.find_entry("export", KEY), lambda: list(store.entries())):
            with pytest.raises(InputError, match="store check --repair"):
                read()
        assert [bad.where for bad in check_store(store).entries] == [str(path)]


def test_an_entry_in_the_place_of_another_is_refused(store: Store) -> None:
    """A whole entry under the name of another key stands for nothing."""
    made = entry(store, "export", KEY, b"model")
    path = next((store.root / "entries").rglob("*.json"))
    other = path.with_name(f"{OTHER.removeprefix('sha256:')}.json")
    other.write_bytes(path.read_bytes())
    assert store.find_entry("export", KEY) == made
    with pytest.raises(InputError, match=f"the entry of export {OTHER}"):
        store.find_entry("export", OTHER)


def test_damage_is_moved_aside(store: Store) -> None:
    """What is taken out of a store is kept beside it, to be looked at, and counts as never made."""
    made = entry(store, "export", KEY, b"model")
    entry(store, "build", OTHER, b"build")
    damaged = next((store.root / "entries" / "build").iterdir())
    flip(store.path(made.objects["part"]))
    flip(damaged)
    take_out(store, check_store(store), keep=True)
    assert check_store(store).ok
    assert store.find_entry("export", KEY) is None
    assert store.find_entry("build", OTHER) is None
    assert len([path for path in (store.root / "damaged").rglob("*") if path.is_file()]) == 2


def test_objects_are_read_only(store: Store) -> None:
    """An object's permissions keep honest programs from changing it."""
    assert store.path(store.put_bytes(b"x")).stat().st_mode & 0o222 == 0


def test_an_entry_is_found_again(store: Store) -> None:
    """A key that was named is found, with all that its maker wrote, and lists sort it."""
    made = entry(store, "export", KEY, b"model")
    assert store.find_entry("export", KEY) == made
    assert store.find_entry("export", OTHER) is None
    assert store.find_entry("build", KEY) is None
    assert list(store.entries()) == [made]


def test_an_entry_with_a_lost_part_is_not_found(store: Store) -> None:
    """An entry whose object is gone counts as never made, so that it is made again."""
    made = entry(store, "export", KEY, b"model")
    store.discard(made.objects["part"])
    assert store.find_entry("export", KEY) is None


def test_an_entry_needs_its_parts(store: Store) -> None:
    """A key cannot be named before its parts are there."""
    with pytest.raises(InputError, match=OTHER):
        store.write_entry(Entry(kind="export", key=KEY, title="", objects={"part": OTHER}))


def test_a_damaged_entry_is_named(store: Store) -> None:
    """A truncated entry is an input error that names the file."""
    entry(store, "export", KEY, b"model")
    path = next((store.root / "entries").rglob("*.json"))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match=path.name):
        store.find_entry("export", KEY)


def test_collection_keeps_what_is_named(store: Store) -> None:
    """Exports stay, builds stay if a fleet names them, everything else goes."""
    entry(store, "export", KEY, b"generic")
    entry(store, "build", KEY, b"kept")
    gone = entry(store, "build", OTHER, b"gone")
    idle = store.put_bytes(b"idle")
    expected = {gone.objects["part"], idle}
    dry = collect(store, {KEY}, dry_run=True, grace_s=-1)
    assert set(dry.objects) == expected
    assert store.has(idle)
    done = collect(store, {KEY}, dry_run=False, grace_s=-1)
    assert (done.entries, set(done.objects), done.bytes) == ((OTHER,), expected, 8)
    assert {found.kind + found.key for found in store.entries()} == {"export" + KEY, "build" + KEY}
    assert not store.has(idle)


def test_collection_keeps_every_build_without_a_list(store: Store) -> None:
    """Without a list of builds to keep, every named build stays."""
    entry(store, "build", OTHER, b"kept")
    assert collect(store, None, dry_run=False, grace_s=-1).objects == ()


def test_collection_spares_the_young(store: Store) -> None:
    """An object that was just added, or added again, is not collected: its name may be on its way."""
    digest = store.put_bytes(b"new")
    assert collect(store, None, dry_run=False).objects == ()
    os.utime(store.path(digest), (0, 0))
    store.put_bytes(b"new")
    assert collect(store, None, dry_run=False).objects == ()
    os.utime(store.path(digest), (0, 0))
    assert collect(store, None, dry_run=False).objects == (digest,)


def test_an_object_renewed_meanwhile_survives(store: Store) -> None:
    """An object that was old when listed but renewed before its removal stays."""
    digest = store.put_bytes(b"new")
    assert not store.discard(digest, older_than=time.time() - 60)
    assert store.has(digest)


def test_collection_sweeps_what_a_kill_left(store: Store) -> None:
    """Files on their way in whose writer died long ago are removed, young ones are not."""
    for name, age in (("old", 0.0), ("young", time.time())):
        (store.scratch() / name).write_bytes(b"x")
        os.utime(store.scratch() / name, (age, age))
    collect(store, None, dry_run=False)
    assert [path.name for path in store.scratch().iterdir()] == ["young"]


def test_writers_do_not_disturb_each_other(store_dir: Path) -> None:
    """Two processes that write the same and other objects at once both succeed, and all is intact."""
    commands = [[sys.executable, "-c", WRITE_MANY, str(store_dir), name] for name in "ab"]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for command in commands]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    store = open_store()
    assert len(list(store.digests())) == 150
    assert list(damages(store, store.digests())) == []
    assert list(store.scratch().iterdir()) == []


def test_one_process_makes_a_thing(store: Store) -> None:
    """While one makes what a key stands for, another waits; other keys are free."""
    with store.making("export", KEY), store.making("export", OTHER):
        script = "import pathlib, sys; from specialize.store import open_store\n"
        script += f"with open_store(pathlib.Path(sys.argv[1])).making('export', '{KEY}', print): pass"
        command = [sys.executable, "-u", "-c", script, str(store.root)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert process.stdout is not None
        assert f"waiting for process {os.getpid()}" in process.stdout.readline()
        assert process.poll() is None
    process.communicate(timeout=60)
    assert process.returncode == 0
