"""Torch is asked for when a built-in model is exported, and for nothing else."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from specialize.compiler import generic
from specialize.compiler.adopt import KIND
from specialize.digest import digest
from specialize.errors import UsageError
from specialize.request import BuildRequest
from specialize.store import Store, open_store
from specialize.store.entry import Entry
from specialize.version import code_version
from tests.cli.running import CAR42, run_here

NAME = "bevformer_tiny"


def quiet(line: str) -> None:
    """Say nothing."""


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment look as one in which the extra `zoo` was not installed."""
    found: Callable[[str], ModuleSpec | None] = importlib.util.find_spec
    versions: Callable[[str], str] = importlib.metadata.version

    def no_module(name: str) -> ModuleSpec | None:
        return None if name == "torch" else found(name)

    def no_version(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return versions(name)

    monkeypatch.setattr("importlib.util.find_spec", no_module)
    monkeypatch.setattr("importlib.metadata.version", no_version)


def keep_export(store: Store, key: str, seed: int = 0) -> Entry:
    """Put into the store what an export of the model looks like."""
    made = digest(["zoo", NAME, seed, code_version("zoo", *generic.PREPARING)])
    entry = Entry(kind=KIND, key=key, title=f"generic {NAME}", objects={}, info={"of": made})
    store.write_entry(entry)
    return entry


@pytest.mark.usefixtures("without_torch")
def test_a_store_that_has_the_export_needs_no_torch(store_dir: Path) -> None:
    """Whichever packages made it; one with another seed is another model."""
    store = open_store()
    keep_export(store, digest("other seed"), seed=1)
    entry = keep_export(store, digest("of another torch"))
    model = generic.generic_model(BuildRequest(calib=CAR42, model=NAME), store, quiet)
    assert model.entry.key == entry.key == model.source["key"]
    again = generic.model_again(model.source, model.spec, store, quiet)
    assert again.entry.key == entry.key


@pytest.mark.usefixtures("without_torch")
def test_without_torch_and_export_the_remedy_is_named(store_dir: Path) -> None:
    """One sentence: what is missing, and the line that installs it."""
    with pytest.raises(UsageError, match="expected the package torch") as caught:
        generic.generic_model(BuildRequest(calib=CAR42, model=NAME), open_store(), quiet)
    assert f"--model {NAME}" in str(caught.value) and "specialize[zoo]" in str(caught.value)


@pytest.mark.usefixtures("without_torch", "store_dir")
@pytest.mark.parametrize("command", ["build", "flops", "export", "compare"])
def test_no_command_takes_a_missing_package_for_a_bug(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with the remedy."""
    calib = () if command == "export" else ("--calib", CAR42)
    output = ("-o", tmp_path / "out") if command in ("build", "export") else ()
    ran = run_here(capsys, command, *calib, "--model", NAME, *output)
    assert ran.code == 2 and "pip install 'specialize[zoo]'" in ran.err
    assert not (tmp_path / "out").exists()
