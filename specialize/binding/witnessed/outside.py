"""What tells a vehicle that it has left its envelope, compared with the witness: the file of pairs, and their count.

`check` reads the file, and the output `pairs_outside` counts at run time. No comparison with the original sees either:
the original has neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.binding.witnessed.disagreement import disagree
from specialize.binding.witnessed.geometry import seen_by_witness
from specialize.calibration.load import parse_profile
from specialize.calibration.profile import SCHEMA
from specialize.errors import InputError
from specialize.graph.closure import Closure
from specialize.model.spec import ModelSpec
from specialize.passes.bind import feeds_of
from specialize.witness.moves import Moves, moved_rig
from specialize.witness.packed import read_packed
from specialize.witness.rig import Rig, rig_of

Bools = npt.NDArray[np.bool_]
Arrays = Mapping[str, npt.NDArray[np.generic]]

TURNS_RAD = (math.radians(20), math.radians(60), math.radians(180))
"""How far every camera is turned to the side to show pairs outside, the first that does."""


def compare_file(content: bytes, supersets: Sequence[Bools], cases: Sequence[Arrays]) -> None:
    """Read the file of an envelope back, and compare it with what the graph was built for.

    Args:
        content: The bytes of the file.
        supersets: Per grid the pairs (N, Q) that are computed.
        cases: What verification feeds.

    Raises:
        VerificationError: The file says something else.
    """
    packed = read_packed(content)
    if len(packed.pairs) != len(supersets):
        disagree("file of the envelope", f"{len(supersets)} grids", f"{len(packed.pairs)}")
    for grid, (found, pairs) in enumerate(zip(packed.pairs, supersets, strict=True)):
        wrong = np.argwhere(found != pairs) if found.shape == pairs.shape else np.argwhere(pairs)
        if len(wrong):
            camera, query = wrong[0]
            told = f"{len(wrong)} others, the first at camera {camera}, query {query}"
            disagree(f"file of the envelope, grid {grid}", "the pairs that the graph computes", told)
    alike = len(packed.cases) == len(cases) and all(
        found.keys() == case.keys() and all(np.array_equal(found[name], case[name]) for name in case)
        for found, case in zip(packed.cases, cases, strict=True)
    )
    if not alike:
        disagree("file of the envelope", "the calibrations that verification feeds", "others")


def compare_count(
    model: ir.Model, output: str, spec: ModelSpec, rig: Rig, supersets: Sequence[Bools]
) -> tuple[str, ...]:
    """Compare the count of pairs outside with the witness's, for cameras that are turned out of the envelope.

    Args:
        model: The specialized graph.
        output: Name of the output that counts.
        spec: The model.
        rig: The vehicle.
        supersets: Per grid the pairs (N, Q) inside.

    Returns:
        Why it cannot be compared, in one line; nothing if it was.

    Raises:
        VerificationError: The graph counts another number of pairs.
    """
    counted = next((value for value in model.graph.outputs if value.name == output), None)
    closure = Closure(model, spec.calibration_inputs)
    if counted not in closure or counted is None:
        return (f"output {output}: it does not follow from the calibration alone",)
    for turn in TURNS_RAD:
        document = {"schema": SCHEMA, **moved_rig(rig, [_to_the_side(turn)] * len(rig.eyes))}
        try:
            arrays = feeds_of(model, spec, parse_profile(document, f"{rig.vehicle} turned"))
        except InputError:  # a camera that is spelled as a matrix and cannot be turned so far
            continue
        seen = seen_by_witness(rig_of(document), spec)
        least = sum(int((each.surely & ~pairs).sum()) for each, pairs in zip(seen, supersets, strict=True))
        most = sum(int((each.possibly & ~pairs).sum()) for each, pairs in zip(seen, supersets, strict=True))
        if not least:
            continue
        number = float(closure.compute([counted], arrays)[counted].reshape(-1)[0])
        if not least <= number <= most:
            where = f"output {output!r}, cameras turned by {math.degrees(turn):.0f} degrees"
            disagree(where, f"{least} to {most} pairs outside", f"{number:g}")
        return ()
    return (f"output {output}: no turned camera sees a pair outside",)


def _to_the_side(turn_rad: float) -> Moves:
    """Return the move that turns a camera about its own vertical axis."""
    none3, none2 = np.zeros(3), np.zeros(2)
    return Moves(np.array([0.0, turn_rad, 0.0]), none3, none2, none2, np.zeros(()), none3)
