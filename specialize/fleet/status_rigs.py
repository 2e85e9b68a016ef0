"""The rigs with cameras off in the lock of a fleet that is a table, and what is true of them today."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.table import Bytes, bytes_of
from specialize.compiler.key import calibration_name
from specialize.digests import as_bytes
from specialize.files.tables import arrow_compute
from specialize.fleet.lock_table import missing_in
from specialize.fleet.vehicle import load_without, whole_name
from specialize.model.spec import ModelSpec

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rigs:
    """The vehicles of a lock, and their rigs with cameras off, as a `pyarrow.Table` each.

    Attributes:
        whole: The vehicles.
        names: Of each rig with cameras off its own.
        vehicles: Of each that of its vehicle.
        builds: Of each the number of its build.
        missing: Of each the cameras that are off.
        digests: (R, 1 or 2, 32) of its profile, and if they were read of what the model is fed.
    """

    whole: Any
    names: tuple[str, ...]
    vehicles: tuple[str, ...]
    builds: Indices
    missing: tuple[tuple[str, ...], ...]
    digests: Bytes

    @classmethod
    def of(cls, locked: Any) -> Rigs:
        """Return what the table of a lock holds."""
        if "without" not in locked.column_names:
            return cls(locked, (), (), np.zeros(0, np.int64), (), np.zeros((0, 1, 32), np.uint8))
        compute = arrow_compute()
        is_whole = compute.equal(compute.list_value_length(locked.column("without")), 0)
        further = locked.filter(compute.invert(is_whole))
        names, missing = further.column("vehicle").to_pylist(), missing_in(further)
        vehicles = tuple(whole_name(*one) for one in zip(names, missing, strict=True))
        builds = further.column("build").to_numpy().astype(np.int64)
        read = [name for name in ("profile", "calibration") if name in locked.column_names]
        digests = np.stack([bytes_of(further.column(name)) for name in read], axis=1)
        return cls(locked.filter(is_whole), tuple(names), vehicles, builds, tuple(missing), digests)


@dataclass(frozen=True, slots=True)
class DigestsWithout:
    """Computes the digests of a vehicle with cameras off, and of what a model is fed; runs in other processes."""

    spec: ModelSpec
    missing: tuple[str, ...]

    def __call__(self, path: Path) -> bytes:
        name = calibration_name(load_without(path, self.missing), self.spec)
        return as_bytes(name.profile) + as_bytes(name.calibration)
