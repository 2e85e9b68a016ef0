"""Define the version of this package, and a digest of the code that makes builds.

Modules that compute digests and versions of libraries are imported on demand: the car needs only `VERSION`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

VERSION = "0.1.0"

NOT_IN_A_BUILD = {
    "__main__.py": "starts the command line",
    "attest": "tells others what builds are",
    "cli": "parses and prints",
    "explain": "describes and compares",
    "fleet": "asks for builds",
    "store": "keeps builds",
    "zoo": "makes models, whose digests are in the key",
}
"""Files and folders of the package that no byte of a build depends on, with their purpose."""

LIBRARIES = ("jinja2", "msgspec", "numpy", "onnx", "onnx-ir", "onnxruntime", "scipy")
"""Packages that compute or write parts of a build: they fold constants, infer shapes and serialize files."""

_ROOT = Path(__file__).resolve().parent


def library_versions() -> dict[str, str]:
    """Return the version of each of `LIBRARIES` that is installed, by name."""
    from importlib.metadata import version

    return {library: version(library) for library in LIBRARIES}


@functools.cache
def code_version(*parts: str) -> str:
    """Return the version and a digest of the code in some parts of the package, by default of all that makes a build.

    The templates of the files in a build and the versions of `LIBRARIES` count as code. Different code makes a
    different build, also between two releases.
    """
    return version_of(_ROOT, *parts)


def version_of(root: Path, *parts: str) -> str:
    """Return what `code_version` returns for the package in a folder."""
    from hashlib import sha256

    state = sha256()
    for name, file in _files(root, parts):
        state.update(f"{name}\0".encode() + sha256(file.read_bytes()).digest())
    for library, number in library_versions().items():
        state.update(f"{library}\0{number}\0".encode())
    return f"{VERSION}+{state.hexdigest()[:12]}"


def _files(root: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the files that count with their names, in order: in a checkout, templates lie beside the package."""
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        first = name.partition("/")[0]
        counts = (first in parts or name in parts) if parts else first not in (*NOT_IN_A_BUILD, "_data")
        if counts and file.is_file() and "__pycache__" not in name:
            yield name, file
    for file in sorted(_templates(root).rglob("*")) if not parts else ():
        if file.is_file():
            yield f"templates/{file.relative_to(_templates(root)).as_posix()}", file


def _templates(root: Path) -> Path:
    """Return the folder of templates: inside the package in a wheel, beside it in a checkout."""
    inside = root / "_data" / "templates"
    return inside if inside.is_dir() else root.parent / "templates"
