"""The catalogue of mutants: what is changed in which file, and what that breaks.

A mutant is a change of meaning: swapped operands, an off-by-one, a lost scale. Each is one replacement of a text that
stands exactly once in its file; an entry that does not fit the code any more is an error. Patched modules are loaded
by an import hook, so that no file is written.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "specialize"
CATALOGUE = Path(__file__).with_name("catalogue")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of meaning.

    Attributes:
        name: Unique.
        area: The file of the catalogue that it stands in.
        file: What is changed, below the package.
        old: Text that stands once in the file.
        new: What stands there instead.
        breaks: What that makes wrong.
        killed_by: Of a mutant of a check: the test that must fail; empty for others.
    """

    name: str
    area: str
    file: str
    old: str
    new: str
    breaks: str
    killed_by: str = ""

    @property
    def path(self) -> Path:
        """The file that is changed."""
        return PACKAGE / self.file

    @property
    def module(self) -> str:
        """Dotted name of what is changed."""
        return ".".join(("specialize", *Path(self.file).with_suffix("").parts))

    def source(self) -> str:
        """Return the changed text of the file.

        Raises:
            ValueError: The old text does not stand exactly once in the file, or the change is none.
        """
        text = self.path.read_text()
        count = text.count(self.old)
        if count != 1:
            raise ValueError(f"{self.name}: expected {self.old!r} once in {self.file}, got it {count} times")
        changed = text.replace(self.old, self.new)
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(text)):
            raise ValueError(f"{self.name}: expected a change of what {self.file} does, got none")
        return changed


def read_catalogue(folder: Path = CATALOGUE) -> list[Mutant]:
    """Return every mutant, area by area."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        for file, entries in yaml.safe_load(path.read_text()).items():
            found += [Mutant(area=path.stem, file=file, **entry) for entry in entries]
    return found


def stale(mutants: Sequence[Mutant]) -> list[str]:
    """Return what is wrong with entries: they do not fit the code, change nothing, or share a name."""
    found, names = [], set()
    for mutant in mutants:
        if mutant.name in names:
            found.append(f"{mutant.name}: expected a name of its own, got one that is taken")
        names.add(mutant.name)
        try:
            mutant.source()
        except (OSError, SyntaxError, ValueError) as error:
            found.append(str(error))
    return found


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads the changed text in place of what the file holds."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(mutant.path))
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._mutant.source(), str(self._mutant.path), "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the changed module, and no other."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._mutant.path, loader=_Loader(self._mutant)
        )


def install(mutant: Mutant) -> None:
    """Let this process load the changed module from now on.

    Raises:
        RuntimeError: It is loaded already.
    """
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.name}: expected {mutant.module} not to be loaded yet")
    sys.meta_path.insert(0, _Finder(mutant))
