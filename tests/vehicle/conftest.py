"""Builds of the tiny model in every mode, and the guard compiled from its header, once per test process."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

import pytest

from specialize.compiler.build import build
from specialize.request import BuildRequest
from specialize.vehicle.contract import Contract
from tests.cli.running import CAR42, CAR43
from tests.end_to_end.tiny_lift import write_lift
from tests.vehicle import compiling
from tests.vehicle.building import build_modes, contracts_of


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return builds of the tiny model for car42, by mode; `padded` is one with tables."""
    return build_modes(tmp_path_factory.mktemp("vehicle_builds"))


@pytest.fixture(scope="session")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build in mode tables of a model that lifts and pools, for car42."""
    return _pooled(tmp_path_factory, "yx")


@pytest.fixture(scope="session")
def pooled_x_first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same of a model that counts cells along x first."""
    return _pooled(tmp_path_factory, "xy")


def _pooled(tmp_path_factory: pytest.TempPathFactory, order: str) -> Path:
    folder = tmp_path_factory.mktemp("pooled_build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        model = str(write_lift(folder / "model", order))
        request = {"calib": CAR42, "model": model, "mode": "tables", "capacity_over": (CAR43,)}
        build(BuildRequest(**request, output=folder / "build", frames=1))  # type: ignore[arg-type]
    return folder / "build"


@pytest.fixture(scope="session")
def contracts(builds: Mapping[str, Path]) -> Mapping[str, Contract]:
    """Return what these builds expect of a calibration."""
    return contracts_of(builds)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the C interface as a shared library."""
    path = tmp_path_factory.mktemp("library") / "libspecialize.so"
    return compiling.compiled(compiling.SOURCES / "vehicle.cpp", path, "-shared", "-fPIC")


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return the guard for many calibrations at once."""
    path = tmp_path_factory.mktemp("many") / "libmany.so"
    return ctypes.CDLL(str(compiling.compiled(compiling.HERE / "judge_many.cpp", path, "-shared", "-fPIC")))


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what reads files and runs programs, with both sanitizers on."""
    path = tmp_path_factory.mktemp("reader") / "read_files"
    return compiling.compiled(compiling.HERE / "read_files.cpp", path, *compiling.SANITIZED)
