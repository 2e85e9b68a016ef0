"""Builds that tests leave behind: what each states about its costs must be true."""

from __future__ import annotations

from pathlib import Path

from specialize.artifact import read_manifest
from specialize.artifact.manifest import Manifest
from specialize.errors import SpecializeError
from tests.cost_rules import violations


def false_statements(path: Path) -> list[str]:
    """Return what a `manifest.json` states about costs and cannot be true; nothing of one that cannot be read."""
    if not path.is_file():
        return []
    try:
        manifest = read_manifest(path.parent)
    except SpecializeError:
        return []
    return [f"{path}: {line}" for line in violations(manifest)] if made_by_a_build(manifest) else []


def made_by_a_build(manifest: Manifest) -> bool:
    """Return whether a compiler made it: examples that tests write by hand have no key, and made-up figures."""
    return bool(manifest.key)
