"""A few hundred changed files for every reader: each is read or refused, never anything else; `make fuzz` goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from specialize.errors import InternalError
from specialize.graph import budget
from tools.fuzz.mutate import mutated
from tools.fuzz.readers import READERS, Reader, corpus, refused

TRIES = {"checkpoint": 30, "inspect": 20, "onnx": 60, "import": 60, "rigs": 60}
SLOW_TO_IMPORT = {"checkpoint"}

NAMES = [pytest.param(name, marks=[pytest.mark.torch] * (name in SLOW_TO_IMPORT)) for name in READERS]


@pytest.fixture(autouse=True)
def _small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no changed file fold more than a few megabytes."""
    for name, value in {
        "VALUE_BYTES": 1 << 22,
        "WORK_BYTES": 1 << 28,
        "PRODUCTS": 1 << 26,
        "SECONDS": 5.0,
    }.items():
        monkeypatch.setattr(budget, name, value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_the_corpus_is_read(name: str, tmp_path: Path) -> None:
    """Fuzzing starts from whole files: their readers take them."""
    assert corpus(name)
    assert [refused(READERS[name], data, tmp_path) for data in corpus(name)] == [""] * len(corpus(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_a_changed_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    """Bytes, words and fields are changed, the same ones in every run."""
    reader, files, dice = READERS[name], corpus(name), random.Random(name)
    outcomes = []
    for turn in range(TRIES.get(name, 150)):
        folder = tmp_path / str(turn)
        folder.mkdir()
        outcomes.append(refused(reader, mutated(dice.choice(files), reader.kind, files, dice), folder))
    assert any(outcomes), "no change was noticed: is the reader called?"


@pytest.mark.parametrize("error", [KeyError("x"), InternalError("a", "b"), RecursionError()])
def test_a_finding_is_not_taken_for_a_refusal(error: Exception, tmp_path: Path) -> None:
    """An exception that is not a user's error is passed on."""

    def read(data: bytes, folder: Path) -> object:
        raise error

    with pytest.raises(type(error)):
        refused(Reader(read, "bytes", list), b"", tmp_path)


def test_the_same_seed_makes_the_same_changes() -> None:
    """A finding can be made again."""
    for name in ("profile", "onnx", "table"):
        files, kind = corpus(name), READERS[name].kind
        first, second = (
            [mutated(files[0], kind, files, dice) for _ in range(20)]
            for dice in (random.Random(3), random.Random(3))
        )
        assert first == second
        assert len(set(first)) > 10


FOUND = sorted(path for path in Path(__file__).parent.joinpath("found").glob("*/*"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    """Files that once raised an unexpected exception now raise an error that a user can act on."""
    refused(READERS[path.parent.name], path.read_bytes(), tmp_path)


NESTED = b"[" * 100_000


@pytest.mark.parametrize("name", ["profile", "sidecar", "manifest", "entry", "import", "table", "pickle"])
@pytest.mark.parametrize(
    "data", [NESTED, b'{"a": ' * 50_000, b'{"info": {"a": ' + NESTED], ids=["lists", "maps", "both"]
)
def test_endless_nesting_is_refused(name: str, data: bytes, tmp_path: Path) -> None:
    """No reader exhausts the stack."""
    assert refused(READERS[name], data, tmp_path)
