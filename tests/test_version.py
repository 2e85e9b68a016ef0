"""The version of the code in a build's key: editing anything that a build depends on changes it."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path

import pytest

from specialize import version
from specialize.version import LIBRARIES, NOT_IN_A_BUILD, version_of

ROOT = Path(version.__file__).parent
PACKAGE = ROOT.parent


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package with its templates beside it, as in a checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT, folder / "specialize", ignore=ignore)
    shutil.copytree(PACKAGE / "templates", folder / "templates", ignore=ignore)
    return folder


def edited(copy: Path, file: Path) -> bool:
    """Return whether the version changes while a file has one more byte."""
    before, content = version_of(copy / "specialize"), file.read_bytes()
    file.write_bytes(content + b"\n")
    try:
        return version_of(copy / "specialize") != before
    finally:
        file.write_bytes(content)


def test_one_file_of_every_folder_changes_the_version(copy: Path) -> None:
    """Every folder of the package and of the templates counts, or is on the list of what no build depends on."""
    folders = {path.parent for path in copy.rglob("*") if path.is_file()}
    for folder in sorted(folders):
        name = folder.relative_to(copy)
        free = len(name.parts) > 1 and name.parts[0] == "specialize" and name.parts[1] in NOT_IN_A_BUILD
        file = min(path for path in folder.iterdir() if path.is_file())
        if file.name not in NOT_IN_A_BUILD:
            assert edited(copy, file) is not free, f"{file.relative_to(copy)}"


def test_every_flat_module_counts_or_is_listed(copy: Path) -> None:
    """Modules at the top of the package are looked at one by one."""
    for file in sorted((copy / "specialize").glob("*.py")):
        assert edited(copy, file) is (file.name not in NOT_IN_A_BUILD), file.name


def test_the_list_names_what_is_there() -> None:
    """A name that stands for nothing would hide a folder of that name later."""
    assert [name for name in NOT_IN_A_BUILD if not (ROOT / name).exists()] == []


def test_what_is_listed_is_not_used_by_a_build() -> None:
    """A module of the compiler imports nothing that the list leaves out, but the ways to models and stores."""
    ways = {"zoo", "store"}
    left_out = {name.removesuffix(".py") for name in NOT_IN_A_BUILD} - ways
    for file in sorted(ROOT.rglob("*.py")):
        if file.relative_to(ROOT).parts[0] in NOT_IN_A_BUILD:
            continue
        text = file.read_text(encoding="utf-8")
        named = {
            name
            for name in left_out
            if f"from specialize.{name}" in text or f"import specialize.{name}" in text
        }
        assert not named or file.name == "__init__.py", f"{file.name} imports {sorted(named)}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_another_version_of_a_library_changes_the_version(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What folds constants or writes files counts with its version."""
    before, known = version_of(ROOT), importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0" if name == library else known(name))
    assert version_of(ROOT) != before


def test_a_wheel_and_a_checkout_agree(copy: Path, tmp_path: Path) -> None:
    """In a wheel the templates lie inside the package; the version is the same."""
    installed = tmp_path / "site" / "specialize"
    shutil.copytree(copy / "specialize", installed)
    shutil.copytree(copy / "templates", installed / "_data" / "templates")
    assert version_of(installed) == version_of(copy / "specialize")


def test_caches_of_the_interpreter_do_not_count(copy: Path) -> None:
    """Compiled modules come and go."""
    before = version_of(copy / "specialize")
    cache = copy / "specialize" / "graph" / "__pycache__"
    cache.mkdir()
    (cache / "x.pyc").write_bytes(b"1")
    assert version_of(copy / "specialize") == before
