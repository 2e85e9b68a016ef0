"""Parse lenses as calibration files give them: a model's name, a matrix, and coefficients in that model's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specialize.calibration.lens import Lens, lens_of
from specialize.calibration.lens.kinds import COEFFICIENTS, matrix_parameters
from specialize.calibration.lens.windshield import Windshield
from specialize.calibration.pose import Matrix
from specialize.errors import InputError, closest


def lens_at(
    where: str,
    model: str,
    parameters: Mapping[str, float],
    *,
    max_angle_rad: float | None = None,
    pixel_centre: float = 0.0,
    windshield: Windshield | None = None,
) -> Lens:
    """Return a lens; an error names the location of its parameters in the file.

    Raises:
        InputError: The parameters do not describe a lens.
    """
    try:
        return lens_of(
            model,
            parameters,
            max_angle_rad=max_angle_rad,
            pixel_centre=pixel_centre,
            windshield=windshield,
        )
    except InputError as error:
        raise InputError(f"{where}: {error.where}", error.expected, error.found, error.hint) from error


def windshield_at(where: str, horizontal: Sequence[float], vertical: Sequence[float]) -> Windshield:
    """Return a windshield; an error names its location in the file.

    Raises:
        InputError: A polynomial is incomplete.
    """
    try:
        return Windshield(tuple(horizontal), tuple(vertical))
    except InputError as error:
        raise InputError(f"{where}: {error.where}", error.expected, error.found, error.hint) from error


def lens_of_matrix(
    where: str,
    intrinsic: Matrix,
    model: str,
    coefficients: Sequence[float],
    max_angle_rad: float | None = None,
) -> Lens:
    """Return the lens of an intrinsic (3, 3) in px and coefficients in the order of `COEFFICIENTS`.

    Raises:
        InputError: The model has no lens, or another number of coefficients.
    """
    if model not in COEFFICIENTS:
        raise InputError(where, "a model that is a lens", repr(model), closest(model, COEFFICIENTS))
    names = COEFFICIENTS[model]
    if len(coefficients) != len(names):
        raise InputError(where, f"{len(names)} coefficients of {model}", str(len(coefficients)))
    named = dict(zip(names, coefficients, strict=True))
    kind = "pinhole" if model == "none" else model
    return lens_at(where, kind, matrix_parameters(intrinsic) | named, max_angle_rad=max_angle_rad)
