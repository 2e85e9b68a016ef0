"""Builds go into the store and come back as they were; a further vehicle costs only what is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.artifact import record_files, write_manifest
from specialize.errors import InputError
from specialize.store import Store, collect, open_store
from specialize.store.builds import keep_build, restore_build
from tests.artifact.examples import manifest, model_of, sha
from tests.cli.builds import make_build
from tests.cli.running import CAR42, CAR43

WEIGHTS = bytes(range(256)) * 1000


@pytest.fixture
def store(store_dir: Path) -> Store:
    """Return the store of this test."""
    return open_store()


def build(folder: Path, calib: Path, key: str) -> Path:
    """Write a build with its own tables and shared weights."""
    import msgspec

    made = make_build(folder, calib)
    (folder / "weights.bin").write_bytes(WEIGHTS)
    (folder / "tables.bin").write_bytes(key.encode())
    digests = msgspec.structs.replace(manifest().digests, build=key)
    own = msgspec.structs.replace(manifest(), digests=digests)
    (made / "model.onnx").write_bytes(model_of(own))
    write_manifest(made, record_files(made, own))
    return made


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stored(store: Store) -> int:
    """Return the size of all objects."""
    return sum(map(store.size, store.digests()))


def test_a_build_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    """What was kept is restored byte for byte, and opens."""
    made = build(tmp_path / "car42", CAR42, sha("1"))
    assert keep_build(store, made).key == sha("1")
    restored = restore_build(store, sha("1"), tmp_path / "again")
    restored.require_intact()
    assert content(tmp_path / "again") == content(made)


def test_a_further_vehicle_costs_only_its_own(store: Store, tmp_path: Path) -> None:
    """Weights are kept once; the second vehicle adds its own files and nothing else."""
    keep_build(store, build(tmp_path / "car42", CAR42, sha("1")))
    before = stored(store)
    made = build(tmp_path / "car43", CAR43, sha("2"))
    keep_build(store, made)
    assert before > len(WEIGHTS)
    first = content(tmp_path / "car42").values()
    assert stored(store) - before == sum(len(data) for data in content(made).values() if data not in first)
    assert stored(store) - before < len(WEIGHTS) / 10


def test_a_changed_build_is_not_kept(store: Store, tmp_path: Path) -> None:
    """A build whose files are not the ones that its manifest names does not enter the store."""
    made = build(tmp_path / "car42", CAR42, sha("1"))
    (made / "tables.bin").write_bytes(b"x" * len(sha("1")))
    with pytest.raises(InputError, match=r"tables\.bin"):
        keep_build(store, made)
    assert list(store.entries()) == []


def test_a_build_that_was_never_kept_is_an_error(store: Store, tmp_path: Path) -> None:
    """An unknown key is an error, and leaves no folder."""
    with pytest.raises(InputError, match=sha("9")):
        restore_build(store, sha("9"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_damage_in_the_store_leaves_no_build(store: Store, tmp_path: Path) -> None:
    """A build with a damaged part is not restored, and what stood there before stays."""
    entry = keep_build(store, build(tmp_path / "car42", CAR42, sha("1")))
    restore_build(store, sha("1"), tmp_path / "again")
    before = content(tmp_path / "again")
    path = store.locate(entry.objects["tables.bin"])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(InputError, match=entry.objects["tables.bin"]):
        restore_build(store, sha("1"), tmp_path / "again")
    assert content(tmp_path / "again") == before


def test_collection_follows_the_fleet(store: Store, tmp_path: Path) -> None:
    """A build that no fleet names goes with what is its own; shared weights stay."""
    for name, calib, key in (("car42", CAR42, sha("1")), ("car43", CAR43, sha("2"))):
        keep_build(store, build(tmp_path / name, calib, key))
    done = collect(store, {sha("1")}, dry_run=False, grace_s=-1)
    assert done.entries == (sha("2"),)
    assert restore_build(store, sha("1"), tmp_path / "again").manifest.digests.build == sha("1")
    with pytest.raises(InputError):
        restore_build(store, sha("2"), tmp_path / "gone")
