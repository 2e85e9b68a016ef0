"""A build goes to its vehicle's folder, replaces an older build, and never takes away what it did not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.artifact import Build
from specialize.artifact.place import folder_name, require_replaceable
from specialize.errors import InputError
from tests.artifact.test_build import make_build


@pytest.mark.parametrize("name", ["car42", "VIN 1234-x", "Jürgens Wagen", "a.b"])
def test_a_plain_name_is_the_folder(name: str) -> None:
    """Names that can be a folder's stay as they are."""
    assert folder_name(name) == name


@pytest.mark.parametrize(
    "name", ["..", ".", "/etc", "../../evil", "a\0b", "-rf", "x" * 300, "<b>", "a\\b", "\u202ex"]
)
def test_a_name_leads_nowhere_else(name: str) -> None:
    """A name with separators, dots or control characters becomes one visible part of a path."""
    made = folder_name(name)
    assert Path("build", made).resolve().parent == Path("build").resolve()
    assert made[0] not in ".-" and made.isprintable() and len(made.encode()) < 128


def test_names_that_differ_have_folders_that_differ() -> None:
    """What is written otherwise stays as unique as it was."""
    assert len({folder_name(name) for name in ("a/b", "a_b", "a\\b", "..", ".")}) == 5


def test_a_build_or_nothing_is_replaced(tmp_path: Path) -> None:
    """No folder, an empty one, and a build with its own files may go."""
    (tmp_path / "empty").mkdir()
    build = make_build(tmp_path / "car42")
    for folder in (tmp_path / "missing", tmp_path / "empty", build):
        before = sorted(folder.rglob("*"))
        require_replaceable(folder)
        assert sorted(folder.rglob("*")) == before


def test_a_damaged_build_is_replaced(tmp_path: Path) -> None:
    """A build whose manifest cannot be read any more can be built again."""
    folder = make_build(tmp_path / "car42")
    (folder / "profile.yaml").write_text("")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(InputError):
        Build.open(folder)
    require_replaceable(folder)


@pytest.mark.parametrize("is_build", [True, False])
def test_files_of_somebody_else_stay(tmp_path: Path, is_build: bool) -> None:
    """A folder with a file that no build wrote is refused, and the file is named."""
    folder = make_build(tmp_path / "car42") if is_build else tmp_path / "papers"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "thesis.txt").write_text("years")
    with pytest.raises(InputError, match=r"sub/thesis\.txt"):
        require_replaceable(folder)
    assert (folder / "sub" / "thesis.txt").read_text() == "years"


def test_more_files_of_somebody_else_are_not_all_looked_for(tmp_path: Path) -> None:
    """The first few are named; a whole disk is not walked."""
    for index in range(9):
        (tmp_path / f"{index}.txt").write_text("x")
    with pytest.raises(InputError, match=r"got 0\.txt, 1\.txt, 2\.txt and more"):
        require_replaceable(tmp_path)


def test_a_link_to_a_folder_is_a_file_of_somebody_else(tmp_path: Path) -> None:
    """Publishing would take the link away."""
    folder = make_build(tmp_path / "car42")
    (folder / "data").symlink_to(tmp_path)
    with pytest.raises(InputError, match="got data"):
        require_replaceable(folder)


@pytest.mark.parametrize("place", [".", "..", "x/..", "/", "~", "/proc"])
def test_folders_that_others_depend_on_are_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root, the home, the current folder, those above it and mount points are never replaced, also if empty."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (here / "x").mkdir()
    with pytest.raises(InputError, match="a separate folder"):
        require_replaceable(Path(place).expanduser())
