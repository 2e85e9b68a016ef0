"""A model's files are unpacked once for the builds that a process makes in turn, and are gone when it is done."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from specialize.compiler.unpacked import keep, let_go, unpacked
from specialize.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store; nothing is kept before or after."""
    let_go()
    yield open_store(tmp_path / "store")
    let_go()


def folders(store: Store) -> list[Path]:
    """Return the folders of models in a store's room for work."""
    place = store.scratch()
    return sorted(place.glob("model-*")) if place.is_dir() else []


def objects(store: Store, text: bytes = b"graph") -> dict[str, str]:
    """Return the parts of a model."""
    return {"graph.onnx": store.put_bytes(text), "original/weights.bin": store.put_bytes(b"weights")}


def test_a_folder_ends_with_its_block(store: Store) -> None:
    """Without `keep`, every block has its own."""
    with unpacked(store, objects(store)) as first:
        assert (first / "original" / "weights.bin").read_bytes() == b"weights"
        with unpacked(store, objects(store)) as second:
            assert first != second
    assert folders(store) == []


def test_what_is_kept_is_found_again(store: Store) -> None:
    """The same model has the same folder; another one takes its place, and nothing is left at the end."""
    keep()
    keep()
    one, other = objects(store), objects(store, b"another graph")
    with unpacked(store, one) as first:
        pass
    with unpacked(store, dict(reversed(one.items()))) as again:
        assert again == first and folders(store) == [first]
    with unpacked(store, other) as second:
        assert second != first and folders(store) == [second]
        assert (second / "graph.onnx").read_bytes() == b"another graph"
    let_go()
    assert folders(store) == []


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_what_was_damaged_meanwhile_is_unpacked_again(store: Store, damage: str) -> None:
    """A file that changed or is gone since the last build costs one more copy, not every build of the process."""
    keep()
    with unpacked(store, objects(store)) as folder:
        weights = folder / "original" / "weights.bin"
    weights.write_bytes(b"weighty") if damage == "changed" else weights.unlink()
    with unpacked(store, objects(store)) as folder:
        assert (folder / "original" / "weights.bin").read_bytes() == b"weights"
    assert folders(store) == [folder]


def test_what_a_build_writes_beside_them_goes(store: Store) -> None:
    """The next build finds the model's files, and nothing of the one before."""
    keep()
    with pytest.raises(RuntimeError, match="stopped"), unpacked(store, objects(store)) as folder:
        (folder / "int8").mkdir()
        (folder / "runnable.onnx").write_bytes(b"of one build")
        raise RuntimeError("stopped")
    with unpacked(store, objects(store)) as again:
        assert again == folder
        assert sorted(path.name for path in again.iterdir()) == ["graph.onnx", "original"]


def test_a_folder_that_was_removed_is_made_again(store: Store) -> None:
    """Whoever cleans up takes nothing away but time."""
    keep()
    with unpacked(store, objects(store)) as first:
        pass
    shutil.rmtree(first)
    with unpacked(store, objects(store)) as second:
        assert (second / "graph.onnx").read_bytes() == b"graph"


def test_threads_do_not_share(store: Store) -> None:
    """What one thread keeps, another neither finds nor removes."""
    keep()
    found: list[Path] = []

    def other() -> None:
        with unpacked(store, objects(store)) as folder:
            found.append(folder)
        let_go()

    with unpacked(store, objects(store)) as own:
        pass
    thread = Thread(target=other)
    thread.start()
    thread.join()
    assert found and found[0] != own and folders(store) == [own]


def _worker(place: Path, end: Connection) -> None:
    keep()
    with unpacked(open_store(place), objects(open_store(place))) as folder:
        end.send(folder)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_process_leaves_nothing(store: Store, start: str) -> None:
    """A worker's folder is gone when it ends, and its parent's is not, however it was started."""
    keep()
    with unpacked(store, objects(store)) as own:
        pass
    context: Any = multiprocessing.get_context(start)
    here, there = context.Pipe()
    worker = context.Process(target=_worker, args=(store.root, there))
    worker.start()
    assert here.recv() != own
    worker.join()
    assert worker.exitcode == 0 and folders(store) == [own]
