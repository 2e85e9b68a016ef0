"""Whether a program gives what the compiler gave, and differs from the graph only where rounding decides.

Programs round by their own rules. Tables are therefore compared with the graph's own masks and cells put in the place
of the program's. Where the program's own differ, every pair must be within rounding of an image border, and every
lifted point within rounding of a cell's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import yaml

from specialize.binding.relink.assemble import NotPortableError
from specialize.binding.relink.kinds import calibration_of
from specialize.binding.relink.pools import Pool
from specialize.binding.relink.program import Program
from specialize.binding.relink.run import Machine
from specialize.binding.relink.share import Share
from specialize.calibration.dump import dump_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.witness import frustum as witness
from specialize.witness.rig import parse_rig, sidecar_of

Array = npt.NDArray[np.generic]


def frustum_of(spec: ModelSpec) -> witness.Frustum | None:
    """Return the frustum that a sidecar declares."""
    return witness.frustum_of(yaml.safe_load(spec.to_text()))


def frustums_of(spec: ModelSpec) -> tuple[witness.Frustum, ...]:
    """Return the frustum that a sidecar declares, once for every grid of cells."""
    return witness.frustums_of(yaml.safe_load(spec.to_text()))


def landings_of(spec: ModelSpec, profile: CalibrationProfile, cells: int) -> list[witness.Landing]:
    """Return where the witness says that lifted points land, for every grid of so many cells."""
    document = yaml.safe_load(spec.to_text())
    sidecar, rig = sidecar_of(document, len(profile.cameras)), parse_rig(dump_profile(profile))
    found = [
        witness.land(rig, sidecar, frustum)
        for frustum in witness.frustums_of(document)
        if math.prod(frustum.cells) == cells
    ]
    return [each for each in found if not isinstance(each, str)]


def landing_of(spec: ModelSpec, profile: CalibrationProfile) -> witness.Landing | None:
    """Return where the witness says that lifted points land; None if no frustum is declared, or without poses."""
    frustum = frustum_of(spec)
    if frustum is None:
        return None
    sidecar = sidecar_of(yaml.safe_load(spec.to_text()), len(profile.cameras))
    landing = witness.land(parse_rig(dump_profile(profile)), sidecar, frustum)
    return None if isinstance(landing, str) else landing


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """A program, and what is put in the place of its own.

    Attributes:
        program: The program.
        share: What the graph computes from the calibration.
        masks: By grid the slot of its mask.
        cells: By pooling the slot of the cell of every point.
        spec: The model.
    """

    program: Program
    share: Share
    masks: Mapping[int, int]
    cells: Mapping[Pool, int]
    spec: ModelSpec

    def require_equal(self, vehicle: int, profile: CalibrationProfile, tables: Mapping[str, Array]) -> None:
        """Run the program with the graph's own masks and cells, and compare every table with the compiler's.

        Raises:
            NotPortableError: One differs.
        """
        given: dict[int, Array] = {slot: self.share.seen[vehicle][grid] for grid, slot in self.masks.items()}
        given |= {slot: pool.owner(self.share, vehicle) for pool, slot in self.cells.items()}
        machine = Machine(self.program, calibration_of(profile), given)
        for name, slot in self.program.outputs.items():
            found, wanted = machine.read(slot), tables[name]
            if found.shape != wanted.shape or not _alike(found, wanted):
                raise NotPortableError(f"table {name!r}: the program gives another one than the compiler")

    def require_decided(self, vehicle: int, profile: CalibrationProfile) -> None:
        """Compare the program's masks and cells with the graph's: they may differ where rounding decides.

        Raises:
            NotPortableError: They differ elsewhere.
        """
        seen = self.share.seen[vehicle]
        nothing: dict[int, Array] = {slot: np.zeros_like(seen[grid]) for grid, slot in self.masks.items()}
        nothing |= {slot: np.full(pool.points, -1, np.int64) for pool, slot in self.cells.items()}
        found = Machine(self.program, calibration_of(profile), nothing)
        for grid, slot in self.masks.items():
            plan = self.share.plans[vehicle][grid]
            differ = found.computed[slot] != seen[grid]
            if (differ & plan.certain).any() or (differ & ~plan.superset).any():
                raise NotPortableError("a mask that the program computes differently from the graph")
        for pool, slot in self.cells.items():
            differ = found.computed[slot] != pool.owner(self.share, vehicle)
            if differ.any():
                self._require_doubtful(differ, profile, pool.cells)

    def _require_doubtful(
        self, differ: npt.NDArray[np.bool_], profile: CalibrationProfile, cells: int
    ) -> None:
        told = f"cells of {int(differ.sum())} points that the program computes differently from the graph"
        landings = landings_of(self.spec, profile, cells)
        if not landings:
            raise NotPortableError(f"{told}, and no declared frustum shows whether rounding decides")
        if all((differ & ~landing.doubtful.reshape(-1)).any() for landing in landings):
            raise NotPortableError(told)


def _alike(found: Array, wanted: Array) -> bool:
    """Return whether tables are equal, floating-point numbers up to rounding."""
    if wanted.dtype.kind != "f":
        return np.array_equal(found, wanted)
    scale = float(np.abs(wanted.astype(np.float64)).max(initial=0.0))
    return np.allclose(found, wanted, rtol=1e-5, atol=1e-6 * scale)
