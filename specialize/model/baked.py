"""Describe a model whose matrices give way to the lenses of a vehicle's cameras."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from specialize.calibration.profile import CalibrationProfile
from specialize.errors import UsageError
from specialize.model.kinds import PROJECTED
from specialize.model.parts import OWN_LENS, LensSpec
from specialize.model.spec import InputKind, ModelSpec

OPTION = "--bake-lenses"
SUFFIX = "+lenses"
"""What is added to the name of a model: with lenses it is another one."""


def with_lenses(spec: ModelSpec, inputs: Mapping[str, InputKind] | None = None) -> ModelSpec:
    """Return the sidecar of a model that is given projected points in the place of matrices.

    Args:
        spec: Of the model with matrices.
        inputs: The inputs that hold the points of its grids; by default one for each, as far as a plan needs them.

    Raises:
        UsageError: The model projects through lenses already, or its sidecar names no grid.
    """
    if spec.lens is not None:
        found = f"{spec.name}, which projects through {spec.lens.model} lenses itself"
        raise UsageError(OPTION, "a model that projects by matrices", found, f"remove {OPTION}")
    if not spec.grids:
        hint = "add `grids:` to the sidecar: a lens can only take the place of what projects their points"
        raise UsageError(OPTION, "a model whose sidecar names its grids of queries", spec.name, hint)
    planned = {
        f"projected{index}": InputKind(kind=PROJECTED, grid=index, axes="nqd4")
        for index in range(len(spec.grids))
    }
    return msgspec.structs.replace(
        spec,
        name=spec.name + SUFFIX,
        calibration_inputs=dict(planned if inputs is None else inputs),
        lens=LensSpec(model=OWN_LENS),
    )


def require_lenses(profile: CalibrationProfile) -> None:
    """Reject a vehicle without a lens that could take the place of a matrix.

    Raises:
        UsageError: It has none.
    """
    if not any(camera.is_raw for camera in profile.cameras):
        hint = (
            f"without {OPTION} the build is exact; give cameras whose raw images the model is given a `lens`"
        )
        raise UsageError(OPTION, "a profile with a `lens` and no `intrinsic`", profile.vehicle, hint)
