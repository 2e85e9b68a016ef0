"""Describe this installation: versions, the store and its free space, optional parts and their purpose."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from specialize.files.project import read_project
from specialize.store.location import store_root
from specialize.version import VERSION

EXTRAS = {
    "zoo": "built-in models, checkpoints",
    "formats": "import of Argoverse 2",
    "ros": "import of ROS bags and MCAP files, export of MCAP files",
    "images": "reports over real images",
    "fleet": "several machines, stores at URLs",
    "s3": "a store at s3://",
    "openvino": "OpenVINO as a runtime",
    "browser": "tests of reports",
    "sign": "signatures",
}
"""Optional part of the package -> its purpose; `test`, `docs` and `dev` are for work on this code."""

COMPILERS = ("c++", "g++", "clang++")


@dataclass(frozen=True, slots=True)
class Package:
    """A package that this one uses.

    Attributes:
        name: Its name.
        version: What is installed; empty without.
    """

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part.

    Attributes:
        name: Its name: `pip install 'specialize[NAME]'`.
        purpose: What it is for.
        packages: What it needs.
    """

    name: str
    purpose: str
    packages: tuple[Package, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(package.name for package in self.packages if not package.version)


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where models and weights are kept.

    Attributes:
        place: Folder or URL.
        bytes: What it holds; of a folder.
        free_bytes: Room on its disk; of a folder.
    """

    place: str
    bytes: int | None
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class Installation:
    """`specialize doctor --json`.

    Attributes:
        ok: Whether everything is there without which nothing works.
        version: Of this package.
        python: Of the interpreter.
        machine: Processor and system.
        needed: Packages without which nothing works.
        extras: Optional parts.
        store: Where models and weights are kept.
        compiler: The C++ compiler that `vehicle tool` takes; empty without.
        project: The project file that is read here; null without one.
        settings: What it sets, by key.
    """

    ok: bool
    version: str
    python: str
    machine: str
    needed: tuple[Package, ...]
    extras: tuple[Extra, ...]
    store: StorePlace
    compiler: str
    project: Path | None
    settings: Mapping[str, str | int]

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages without which nothing works, and that are not installed."""
        return tuple(package.name for package in self.needed if not package.version)


def examine() -> Installation:
    """Describe this installation, without importing, running or writing anything.

    Raises:
        InputError: The project file is wrong.
    """
    project = read_project()
    needs = list(_requirements())
    needed = tuple(_package(name) for extra, name in needs if not extra)
    return Installation(
        ok=all(package.version for package in needed),
        version=VERSION,
        python=platform.python_version(),
        machine=f"{platform.machine()}, {platform.system()} {platform.release()}",
        needed=needed,
        extras=tuple(
            Extra(extra, purpose, tuple(_package(name) for of, name in needs if of == extra))
            for extra, purpose in EXTRAS.items()
        ),
        store=_store(store_root()),
        compiler=next(filter(None, map(shutil.which, COMPILERS)), ""),
        project=project.path,
        settings=project.settings,
    )


def _requirements() -> Iterator[tuple[str, str]]:
    """Yield extra, empty for what is always needed, and package for each requirement of this one."""
    for line in importlib.metadata.requires("specialize") or ():
        requirement, _, marker = line.partition(";")
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        assert name is not None, line
        yield (extra[1] if extra else ""), name[0]


def _package(name: str) -> Package:
    try:
        return Package(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Package(name, "")


def _store(place: str) -> StorePlace:
    if "://" in place:
        return StorePlace(place, None, None)
    folder = Path(place).absolute()
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return StorePlace(str(folder), held, shutil.disk_usage(there).free)
