"""Builds of the tiny model in every mode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from specialize.artifact import Build
from specialize.compiler.build import build
from specialize.request import BuildRequest
from specialize.vehicle.contract import Contract
from specialize.vehicle.expect import contract_of
from tests.cli.running import CAR42, CAR43
from tests.end_to_end.tiny_model import write_tiny

TOLERANCE = "rotation=0.5deg,translation=3cm,focal=0.5%,principal_point=2px"


def build_modes(folder: Path) -> Mapping[str, Path]:
    """Build the tiny model for car42 with a store in `folder`; return builds by mode, `padded` is one with tables."""
    options: dict[str, dict[str, object]] = {
        "exact": {},
        "envelope": {"tolerance": TOLERANCE},
        "tables": {"capacity": "auto", "capacity_over": (CAR43,)},
        "padded": {"mode": "tables", "layout": "padded", "capacity": "auto", "capacity_over": (CAR43,)},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        model = str(write_tiny(folder / "model"))
        for mode, extra in options.items():
            request = {"calib": CAR42, "model": model, "mode": mode, "output": folder / mode, "frames": 1}
            build(BuildRequest(**(request | extra)))  # type: ignore[arg-type]
    return {mode: folder / mode for mode in options}


def contracts_of(builds: Mapping[str, Path]) -> Mapping[str, Contract]:
    """Return what these builds expect of a calibration; of both with tables the ragged one."""
    opened = {mode: Build.open(folder) for mode, folder in builds.items() if mode != "padded"}
    return {mode: contract_of(each, each.calibration()) for mode, each in opened.items()}
