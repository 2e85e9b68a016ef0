"""Provide the lenses that a model's graph projects through, and the lens parameters that a graph is fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from specialize.calibration.camera import Camera
from specialize.calibration.lens import LENSES, Lens, lens_of
from specialize.calibration.lens.kinds import matrix_parameters
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.model.parts import OWN_LENS

Floats = npt.NDArray[np.float64]

_MATRIX = ("fx", "fy", "cx", "cy", "skew")
LIMIT = "max_angle"
"""Name, among parameters, of the angle at and beyond which nothing is visible, in radians."""

_STRAIGHT: Mapping[str, dict[str, float]] = {
    "pinhole": {},
    "brown_conrady": {},
    "mei": {"xi": 0.0},
    "eucm": {"alpha": 0.0, "beta": 1.0},
    "double_sphere": {"xi": 0.0, "alpha": 0.0},
}
"""Models that include a pinhole as a special case, with the parameters that make it one."""

_SHARED = ("skew", "k1", "k2", "k3", "p1", "p2")
"""Parameters shared by Brown-Conrady and MEI lenses: a MEI lens with xi 0 has the same distortion."""


def raw_lens(camera: Camera, model: str) -> Lens:
    """Return the lens of a camera's images as a lens of a given model, raw px.

    Raises:
        InputError: The camera has another lens, which is not a special case of that model.
    """
    own = camera.lens if camera.is_raw else None
    if own is not None and model in (own.MODEL, OWN_LENS):
        return own
    if own is None and model == OWN_LENS and camera.intrinsic is not None:
        return lens_of("pinhole", _pinhole(camera))
    if own is None and model in _STRAIGHT and camera.intrinsic is not None:
        return lens_of(model, _pinhole(camera) | _STRAIGHT[model])
    if own is not None and own.windshield is None and own.MODEL == "pinhole" and model in _STRAIGHT:
        return own.like_model(LENSES[model], dict(own.parameters) | _STRAIGHT[model])
    if own is not None and (own.MODEL, model) == ("brown_conrady", "mei") and _has_only(own, _SHARED):
        kept = {name: own.parameters[name] for name in (*own.REQUIRED, *_SHARED)}
        return own.like_model(LENSES[model], kept | _STRAIGHT[model])
    found = "a bare lidar2img" if camera.intrinsic is None else f"a {own.MODEL if own else 'pinhole'} lens"
    if model == OWN_LENS:
        hint = "give its `intrinsic` and `lidar2cam`, or its `lens`"
        raise InputError(f"camera {camera.name!r}", "a lens or an intrinsic of its own", found, hint)
    hint = f"give the camera `lens: {{model: {model}, ...}}`, or use a model that projects through its lens"
    raise InputError(
        f"camera {camera.name!r}", f"a {model} lens, through which the model projects", found, hint
    )


def parameters_of(lenses: Sequence[Lens], names: Sequence[str]) -> Floats:
    """Return parameters by name, (N, len(names)); `max_angle` is the limit of each lens.

    Raises:
        InputError: A lens has no such parameter.
    """
    for lens in lenses:
        for name in names:
            if name != LIMIT and name not in lens.parameters:
                known = ", ".join((*lens.parameters, LIMIT))
                raise InputError("parameters", f"names of a {lens.MODEL} lens", repr(name), f"known: {known}")
    return np.array(
        [[lens.limit_rad if name == LIMIT else lens.parameters[name] for name in names] for lens in lenses]
    ).reshape(len(lenses), len(names))


def require_carried(
    profile: CalibrationProfile, lenses: Sequence[Lens], kinds: Sequence[tuple[str, Sequence[str]]]
) -> None:
    """Reject lenses with parameters that the graph is not given, because it would project through other lenses.

    Args:
        profile: The vehicle, whose cameras are named.
        lenses: As the graph projects through them.
        kinds: Of the model's calibration inputs, with the parameters that they name.

    Raises:
        InputError: A lens has a windshield, or a parameter differs from its default and no input takes it.
    """
    carried = {name for _, names in kinds for name in names}
    if any(kind.endswith("lens_matrix") for kind, _ in kinds):
        carried |= set(_MATRIX)
    for camera, lens in zip(profile.cameras, lenses, strict=True):
        left = [
            f"{name} {value:g}" for name, value in lens.parameters.items() if _is_left(lens, name, carried)
        ]
        left += ["a windshield"] if lens.windshield is not None else []
        if left:
            where = f"{profile.vehicle}: camera {camera.name!r}"
            hint = "the graph would project through another lens: name it in `parameters` of an input that takes it"
            raise InputError(
                where,
                "a lens whose parameters are all inputs of the model",
                f"{', '.join(left)}, which is not an input",
                hint,
            )


def _is_left(lens: Lens, name: str, carried: set[str]) -> bool:
    default = lens.OPTIONAL.get(name)
    return default is not None and name not in carried and lens.parameters[name] != default


def matrices_of_lenses(lenses: Sequence[Lens]) -> Floats:
    """Return the intrinsics of the parameters, (N, 4, 4)."""
    found = np.tile(np.eye(4), (len(lenses), 1, 1))
    found[:, :3, :3] = [lens.matrix() for lens in lenses]
    return found


def _pinhole(camera: Camera) -> dict[str, float]:
    assert camera.intrinsic is not None
    return matrix_parameters(camera.intrinsic)


def _has_only(lens: Lens, names: Sequence[str]) -> bool:
    others = [name for name in lens.OPTIONAL if name not in names]
    return lens.windshield is None and all(lens.parameters[name] == 0.0 for name in others)
