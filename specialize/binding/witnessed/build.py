"""The witness of one build: everything of it that the second computation of the geometry can be compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialize.artifact.witness import Witness
from specialize.binding.envelope_file import FILE_NAME
from specialize.binding.modes import Binding
from specialize.binding.witnessed.frustum import Compared, compare_frustums
from specialize.binding.witnessed.geometry import (
    compare_inputs,
    compare_plans,
    compare_sites,
    constants_of,
    seen_by_witness,
)
from specialize.binding.witnessed.outside import compare_count, compare_file
from specialize.model.spec import ModelSpec
from specialize.passes.superset import OUTSIDE
from specialize.request import BuildRequest
from specialize.visibility.plan import VisibilityPlan
from specialize.witness.off import rig_without
from specialize.witness.rig import read_rig


def witness_build(
    request: BuildRequest, spec: ModelSpec, plans: Sequence[VisibilityPlan], binding: Binding
) -> Witness:
    """Compare a bound model with the witness.

    Raises:
        VerificationError: They differ by more than rounding.
    """
    rigs = binding.rigs or (rig_without(read_rig(request.calib), request.without),)
    seen = seen_by_witness(rigs[0], spec)
    inputs, not_fed = compare_inputs(spec, binding.fed.cases, rigs)
    grids = compare_plans(plans, seen)
    nothing = [np.zeros(each.surely.shape, np.bool_) for each in seen]
    outside = _leaving(request, spec, binding)
    compared = compare_frustums(binding.compiled.model, spec, rigs[0], binding.table)
    pooled = [each for each in compared if isinstance(each, Compared)]
    not_pooled = [each for each in compared if isinstance(each, str)]
    constants = constants_of(binding.compiled.model, binding.table)
    covered = [site for site in binding.compiled.sites if any(each.covers(site.where) for each in pooled)]
    others = [site for site in binding.compiled.sites if site not in covered]
    sites, not_read = compare_sites(others, constants, seen, binding.supersets or nothing)
    no_grid = () if seen or spec.frustum else ("visible sets: the sidecar names no grid",)
    no_table = [f"table {name}: no reading of it" for name in binding.table if name not in binding.tables]
    return Witness(
        inputs=inputs,
        grids=grids,
        sites=sites,
        frustum=pooled[0].record if pooled else None,
        other_frustums=tuple(each.record for each in pooled[1:]),
        envelope=binding.at_the_edge,
        tables=dict(binding.tables),
        not_witnessed=(*not_fed, *no_grid, *not_read, *no_table, *outside, *not_pooled),
    )


def _leaving(request: BuildRequest, spec: ModelSpec, binding: Binding) -> tuple[str, ...]:
    """Compare what tells that a vehicle has left its envelope; return what cannot be compared.

    Raises:
        VerificationError: It would tell something else.
    """
    if not binding.supersets:
        return ()
    compare_file(binding.files[FILE_NAME], binding.supersets, binding.fed.cases)
    if not request.count_outside:
        return ()
    return compare_count(binding.compiled.model, OUTSIDE, spec, binding.rigs[0], binding.supersets)
