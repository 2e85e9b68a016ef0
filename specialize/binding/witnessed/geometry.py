"""The compiler's geometry compared with the witness: what is fed, what is planned, what the graph computes.

A difference beyond rounding is a `VerificationError`: the build is not proven, and the fault is in this package.
Nothing is left behind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.artifact.witness import WitnessedGrid, WitnessedInput, WitnessedSite
from specialize.binding.witnessed.disagreement import GRAPH_HINT, HINT, MADE, disagree, sidecar_as_written
from specialize.graph.nodes import array_of
from specialize.model.spec import ModelSpec
from specialize.passes.site import CompactedSite
from specialize.visibility.plan import VisibilityPlan
from specialize.witness import inputs, rows
from specialize.witness.rig import Rig
from specialize.witness.sight import Bools, Pairs
from specialize.witness.through import seen_pairs

Arrays = Mapping[str, npt.NDArray[np.generic]]
SiteConstants = Mapping[str, Arrays]


def seen_by_witness(rig: Rig, spec: ModelSpec) -> tuple[Pairs, ...]:
    """Return what the cameras see of each grid, by the witness."""
    sidecar = sidecar_as_written(spec, len(rig.eyes))
    return tuple(seen_pairs(rig, sidecar, grid) for grid in sidecar.grids)


def compare_inputs(
    spec: ModelSpec, cases: Sequence[Arrays], rigs: Sequence[Rig]
) -> tuple[tuple[WitnessedInput, ...], tuple[str, ...]]:
    """Compare what calibration inputs are fed, case by case; return also what cannot be compared.

    Raises:
        VerificationError: An entry differs by more than rounding.
    """
    sidecar = sidecar_as_written(spec, len(rigs[0].eyes))
    compared, left = [], []
    for name, wanted in sidecar.inputs.items():
        largest, reason = 0.0, ""
        for number, (case, rig) in enumerate(zip(cases, rigs, strict=True)):
            if name not in case:
                reason = "not fed"
                break
            found = inputs.compare(case[name], wanted, rig, sidecar)
            if isinstance(found, str):
                reason = found
                break
            if not found.agrees:
                camera = rig.eyes[found.camera].name
                where = (
                    f"input {name!r} ({wanted.kind}), calibration {number}, camera {found.camera} ({camera})"
                )
                disagree(
                    where,
                    "the matrix of the documents",
                    f"one that is off by {found.deviation:.1e} of its scale",
                )
            largest = max(largest, found.deviation)
        if reason:
            left.append(f"input {name}: {reason}")
        else:
            compared.append(
                WitnessedInput(name=name, kind=wanted.kind, cases=len(cases), deviation=_bound(largest))
            )
    return tuple(compared), tuple(left)


def compare_plans(plans: Sequence[VisibilityPlan], seen: Sequence[Pairs]) -> tuple[WitnessedGrid, ...]:
    """Compare the visible sets of every grid.

    Raises:
        VerificationError: A pair differs that is not within rounding of a border.
    """
    found = []
    for number, (plan, own) in enumerate(zip(plans, seen, strict=True)):
        where = f"visible sets of grid {number}"
        _require_none(own.surely & ~plan.superset, f"{where}, a pair that is surely seen", "in the plan", own)
        _require_none(
            plan.certain & ~own.possibly, f"{where}, a pair that is certain in the plan", "possible", own
        )
        differing = plan.seen != own.seen
        distance = np.abs(own.outside_px[differing])
        found.append(
            WitnessedGrid(
                queries=plan.grid.queries,
                pairs=int((plan.seen & own.seen).sum()),
                doubtful=int((own.possibly & ~own.surely).sum()),
                differing=int(differing.sum()),
                farthest_px=_rounded(float(distance.max(initial=0.0))),
            )
        )
    return tuple(found)


def compare_sites(
    sites: Sequence[CompactedSite],
    constants: SiteConstants,
    seen: Sequence[Pairs],
    allowed: Sequence[Bools],
) -> tuple[tuple[WitnessedSite, ...], tuple[str, ...]]:
    """Read the pairs of every site back from its constants and compare them; return also what cannot be read.

    Args:
        sites: The sites.
        constants: Those of the specialized graph, by site and name.
        seen: What the witness sees, per grid.
        allowed: Per grid the pairs (N, Q) that may be computed.

    Raises:
        VerificationError: A site computes a pair that it must not, or gathers another row than is read.
    """
    compared, left = [], []
    for site in sites:
        grid = next(
            (number for number, each in enumerate(seen) if each.surely.shape == site.seen.shape), None
        )
        if grid is None:
            left.append(f"site {site.where}: {_shape(site.seen.shape)} matches no grid of the sidecar")
            continue
        own = constants.get(site.where, {})
        found = _compare_site(site, own, seen[grid], allowed[grid], grid)
        if isinstance(found, str):
            left.append(f"site {site.where}: {found}")
        else:
            compared.append(found)
    return tuple(compared), tuple(left)


def constants_of(model: ir.Model, given: Arrays) -> SiteConstants:
    """Return by site the constants that its nodes read: name to array, with those that sites have in common.

    Args:
        model: The specialized graph.
        given: Inputs of it that have taken the place of constants, by name.
    """
    found: dict[str, dict[str, npt.NDArray[np.generic]]] = {}
    for node in model.graph:
        where = str(node.outputs[0].name).removeprefix(MADE).rpartition("/")[0]
        for value in node.inputs if str(node.outputs[0].name).startswith(MADE) else ():
            name = "" if value is None else str(value.name)
            array = given.get(name)
            if value is not None and array is None and name.startswith(MADE) and value.producer() is None:
                array = array_of(value)
            if array is not None:
                found.setdefault(where, {})[name] = array
    return found


def labelled(names: Iterable[str], label: str, table: str) -> list[str]:
    """Return the constants with a label, such as `rows`, or the tables that are called so."""
    wanted = (label, f"table.{table}")
    return [name for name in names if re.sub(r"\d+$", "", name.rsplit("/", 1)[-1]) in wanted]


def _compare_site(
    site: CompactedSite,
    constants: Arrays,
    seen: Pairs,
    allowed: Bools,
    grid: int,
) -> WitnessedSite | str:
    sums = labelled(constants, "back", "sum")
    if len(sums) != 1:
        return f"{len(sums)} gathers sum its rows"
    reader = rows.query_of_places(constants[sums[0]], site.seen.shape[1], site.lengths)
    if isinstance(reader, str):
        return reader
    read = rows.pairs_of_places(reader, site.seen.shape[1], site.lengths)
    lost = read & ~(seen.possibly | allowed)
    _require_none(lost, f"site {site.where}, a pair that is read", "seen", seen, GRAPH_HINT)
    gathers = 0
    for name in labelled(constants, "rows", "rows"):
        wrong = rows.wrong_rows(constants[name], reader, site.seen.shape[1], site.lengths)
        if wrong is not None and len(wrong):
            disagree(f"site {site.where}, {name}", "the rows that its sums read", f"{len(wrong)} others")
        gathers += wrong is not None
    return WitnessedSite(
        where=site.where,
        grid=grid,
        pairs=int((read & seen.possibly).sum()),
        rounding=int((read & ~seen.surely).sum()),
        unread=int((seen.surely & ~read).sum()),
        rows=gathers,
    )


def _require_none(lost: Bools, where: str, expected: str, seen: Pairs, hint: str = HINT) -> None:
    if lost.any():
        camera, query = (int(index[0]) for index in np.nonzero(lost))
        place = f"camera {camera}, query {query}, {abs(float(seen.outside_px[camera, query])):.3g} px from a border"
        disagree(
            where, f"every one to be {expected}", f"{int(lost.sum())} that are not, the first at {place}"
        )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)


def _rounded(value: float) -> float:
    """Return a value with two digits: the rest is rounding."""
    return float(f"{value:.1e}")


def _bound(deviation: float) -> float:
    """Return the power of ten that bounds a relative deviation: the deviation itself differs between machines."""
    return float(f"1e{max(-15, math.ceil(math.log10(deviation)) if deviation > 0 else -15)}")
