"""The envelope put to the test by calibrations within the tolerance that the witness composes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.binding.witnessed.disagreement import disagree, sidecar_as_written
from specialize.binding.witnessed.geometry import seen_by_witness
from specialize.calibration.load import parse_profile
from specialize.calibration.profile import SCHEMA, CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.witness.corners import Corners, adverse_rigs, search
from specialize.witness.moves import bounds_of, moved_rig, written_tolerance
from specialize.witness.rig import Rig, rig_of

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """Calibrations at the edge of a tolerance.

    Attributes:
        examples: Of the first rig, those first that show the most pairs: as profile, and as the witness has them.
        tried: Points times moves that were projected, for all rigs.
        margin_px: How far from an image the nearest point stayed that the envelope leaves out; None without any.
        gained: Per example, the pairs that it shows beyond the nominal calibration.
    """

    examples: tuple[tuple[CalibrationProfile, Rig], ...]
    tried: int
    margin_px: float | None
    gained: tuple[int, ...]


def try_the_edge(
    rigs: Sequence[Rig], spec: ModelSpec, tolerance: str | None, supersets: Sequence[Bools], count: int
) -> Edge:
    """Search for calibrations within a tolerance that show what an envelope leaves out.

    Args:
        rigs: The vehicle, then the further calibrations that the envelope covers.
        spec: The model.
        tolerance: As the user wrote it; None for each camera's own.
        supersets: Per grid the pairs (N, Q) inside the envelope.
        count: The most examples to return.

    Raises:
        VerificationError: A calibration within the tolerance surely shows a pair outside.
    """
    bounds = None if tolerance is None else written_tolerance(tolerance)
    for rig in rigs:
        for number, (seen, inside) in enumerate(zip(seen_by_witness(rig, spec), supersets, strict=True)):
            lost = np.argwhere(seen.surely & ~inside)
            if len(lost):
                _lost(rig, number, int(lost[0][0]), [int(query) for _, query in lost], "as it is")
    found = [_search(rig, spec, bounds, supersets) for rig in rigs]
    every = [one for cameras in found for grids in cameras for one in grids]
    adverse = adverse_rigs(found[0], count)
    documents = [{"schema": SCHEMA, **moved_rig(rigs[0], moves)} for moves in adverse]
    examples = [(parse_profile(each, f"{rigs[0].vehicle} at the edge"), rig_of(each)) for each in documents]
    margin = min((one.margin_px for one in every), default=np.inf)
    return Edge(
        examples=tuple(examples),
        tried=sum(one.tried for one in every),
        margin_px=float(f"{margin:.2g}") if np.isfinite(margin) else None,
        gained=tuple(_gained(rigs[0], rig, spec) for _, rig in examples),
    )


def _search(
    rig: Rig, spec: ModelSpec, tolerance: Mapping[str, float] | None, supersets: Sequence[Bools]
) -> list[list[Corners]]:
    """Return what was found per camera and grid; nothing for a camera that must be exactly as calibrated."""
    sidecar = sidecar_as_written(spec, len(rig.eyes))
    cameras = []
    for index, eye in enumerate(rig.eyes):
        bounds, grids = bounds_of(eye, tolerance), []
        for number, grid in enumerate(sidecar.grids if not bounds.nothing else ()):
            corners = search(rig, index, sidecar, grid, bounds, supersets[number][index])
            if corners.lost:
                _lost(rig, number, index, corners.lost, f"within {bounds}")
            grids.append(corners)
        cameras.append(grids)
    return cameras


def _gained(nominal: Rig, example: Rig, spec: ModelSpec) -> int:
    """Return how many pairs an example surely shows that the nominal calibration surely does not, over all grids."""
    both = zip(seen_by_witness(nominal, spec), seen_by_witness(example, spec), strict=True)
    return sum(int((after.surely & ~before.surely).sum()) for before, after in both)


def _lost(rig: Rig, grid: int, camera: int, queries: Sequence[int], how: str) -> None:
    where = f"envelope of {rig.vehicle}, grid {grid}, camera {camera} ({rig.eyes[camera].name})"
    found = f"{len(queries)} of them, the first query {queries[0]}"
    disagree(where, f"no query outside it that a calibration {how} shows", found)
