"""One flipped bit anywhere in a build or in the store is noticed by every command that relies on it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from specialize.binding.make_tables import make_table
from specialize.compiler.build import build
from specialize.compiler.verify import verify
from specialize.errors import InputError
from specialize.explain.drift import check
from specialize.report.write import write_build_report
from specialize.request import BuildRequest
from specialize.store import open_store
from specialize.store.check import check_store
from tests.cli.running import CAR42, CAR43, run_here
from tests.end_to_end.tiny_model import write_tiny

FEW, MANY = 60, 1_000_000
"""Places per file that `make test` flips, and that `make evidence` does."""

WORDS = ("manifest.json", "profile.yaml")
"""Files of which `make test` flips every byte, for one command: what they say is read, not only computed with."""


@dataclass(frozen=True)
class Built:
    """Builds of the tiny model in two modes, and the store that they were made with."""

    folder: Path
    store: Path

    def path(self, mode: str) -> Path:
        """Return the folder of a build."""
        return self.folder / mode


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Build the tiny model for one car, exactly and with tables."""
    folder = tmp_path_factory.mktemp("flips")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        model = str(write_tiny(folder / "model"))
        build(BuildRequest(calib=CAR42, model=model, output=folder / "exact", frames=1))
        build(BuildRequest(calib=CAR42, model=model, output=folder / "tables", mode="tables", frames=1))
    return Built(folder, folder / "store")


@contextlib.contextmanager
def flipped(path: Path, place: int) -> Iterator[None]:
    """Flip one bit of one byte of a file for a while."""
    path.chmod(0o644)
    file = os.open(path, os.O_RDWR)
    try:
        good = os.pread(file, 1, place)
        os.pwrite(file, bytes([good[0] ^ 1 << place % 8]), place)
        yield
    finally:
        os.pwrite(file, good, place)
        os.close(file)


def unnoticed(path: Path, use: Callable[[], object], most: int) -> list[int]:
    """Return at which of some places, evenly spread over a file, a flipped bit makes no error that names what to do."""
    size = path.stat().st_size
    found = []
    for place in range(0, size, max(size // most, 1)):
        with flipped(path, place):
            try:
                use()
            except InputError as error:
                assert error.exit_code == 1 and error.hint
            else:
                found.append(place)
    return found


def commands(built: Built, mode: str) -> dict[str, Callable[[], object]]:
    """Return the commands that rely on a build."""
    folder = built.path(mode)
    used: dict[str, Callable[[], object]] = {
        "check": lambda: check(folder, CAR42),
        "verify": lambda: verify(folder, 1),
        "report": lambda: write_build_report(folder, built.folder / "report.html"),
    }
    if mode == "tables":
        used["table"] = lambda: make_table(folder, CAR43, built.folder / "table.safetensors")
    return used


@pytest.mark.parametrize("most", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("mode", "command"),
    [("exact", "check"), ("exact", "verify"), ("exact", "report"), ("tables", "table"), ("tables", "check")],
)
def test_a_flipped_bit_of_a_build_is_noticed(built: Built, mode: str, command: str, most: int) -> None:
    """Whatever file it is in, the command ends with an error before it uses the build."""
    folder, use = built.path(mode), commands(built, mode)[command]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert {"manifest.json", "model.onnx", "weights.bin", "profile.yaml"} <= {path.name for path in files}
    assert {path.name: places for path in files if (places := unnoticed(path, use, most))} == {}


@pytest.mark.parametrize("name", WORDS)
def test_every_flipped_byte_of_what_a_build_says_is_noticed(built: Built, name: str) -> None:
    """Every byte of the manifest and of the profile is covered by a digest that `check` compares."""
    assert unnoticed(built.path("exact") / name, commands(built, "exact")["check"], MANY) == []


def test_the_intact_builds_are_taken(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a flipped bit, none of these commands objects."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(built.store))
    for mode in ("exact", "tables"):
        for use in commands(built, mode).values():
            use()


@pytest.mark.parametrize("most", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_a_flipped_bit_of_the_store_is_noticed(
    built: Built, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """`store check` finds it in every object and entry, and `build` of a second vehicle ends with an error."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(built.store))
    store = open_store()
    assert check_store(store).ok
    request = BuildRequest(
        calib=CAR43, model=str(built.folder / "model" / "tiny.onnx"), output=built.folder / "b"
    )

    def use() -> None:
        assert not check_store(store).ok
        build(request)

    files = [*map(store.locate, store.digests()), *store.entry_files()]
    assert len(files) >= 4
    assert {path.name: places for path in files if (places := unnoticed(path, use, most))} == {}
    assert not (built.folder / "b").exists()


def test_every_command_line_ends_with_one(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    """Damage in a build ends every command that reads one with exit code 1 and a message, never 70."""
    folder = built.path("tables")
    for name in ("manifest.json", "weights.bin", "profile.yaml"):
        path = folder / name
        with flipped(path, path.stat().st_size // 2):
            for line in (
                ("check", folder, "--calib", CAR42),
                ("verify", folder),
                ("table", "--for", folder, "--calib", CAR43, "-o", built.folder / "t.safetensors"),
                ("report", folder),
                ("inspect", folder),
                ("inspect", folder, "--graph"),
                ("inspect", folder, "--target", "openvino"),
                ("bench", folder),
            ):
                ran = run_here(capsys, *line)
                assert (ran.code, "build again" in ran.err) == (1, True), (name, line, ran.err)
