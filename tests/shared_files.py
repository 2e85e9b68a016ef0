"""The folder of real calibrations and recorded figures that lies beside the repository, read-only.

It is found as `../shared` or through `SPECIALIZE_SHARED`. Tests that need it skip where it is absent;
with `CI=true` its absence is a failure. Nothing in it may be copied into the repository.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

ENVIRONMENT = "SPECIALIZE_SHARED"
BESIDE_REPOSITORY = Path(__file__).parents[2] / "shared"


def shared_root() -> Path:
    """Return the shared folder; skip the test if there is none, fail it in CI."""
    root = Path(os.environ.get(ENVIRONMENT, BESIDE_REPOSITORY))
    if not (root / "calibrations").is_dir():
        reason = f"no shared calibrations at {root}: set {ENVIRONMENT} to their folder"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return root


def calibrations() -> list[Path]:
    """Return the files of all real rigs, sorted by name."""
    return sorted((shared_root() / "calibrations").glob("*.yaml"))


def calibration(name: str) -> Path:
    """Return the file of one real rig by its name without `.yaml`."""
    path = shared_root() / "calibrations" / f"{name}.yaml"
    assert path.is_file(), path
    return path


def raw_calibration(path: Path) -> dict[str, Any]:
    """Return the plain values of one shared file, in the layout of its own README."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=loader)
    return document


def profile_document(path: Path) -> dict[str, Any]:
    """Return a real rig as the plain values of a profile file, spelled as intrinsic and lidar2cam."""
    rig = raw_calibration(path)
    cameras = [
        {
            "name": camera["name"],
            "size_px": [camera["width"], camera["height"]],
            "intrinsic": camera["intrinsic"],
            "lidar2cam": camera["lidar2cam"],
        }
        for camera in rig["cameras"]
    ]
    return {"schema": "specialize/profile@1", "vehicle": rig["name"], "cameras": cameras}


def parity(name: str) -> dict[str, Any]:
    """Return the recorded figures of one model, such as `bevformer_tiny` or `bevformer_hits`."""
    figures: dict[str, Any] = json.loads((shared_root() / "parity" / f"{name}.json").read_text())
    return figures
