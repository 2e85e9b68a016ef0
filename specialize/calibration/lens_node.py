"""Read and write the `lens:` of a camera.

lens:
  model: mei
  parameters: {fx: 1336.3, fy: 1335.8, cx: 716.9, cy: 705.7, xi: 2.21, k1: 0.017, k2: 1.65}
  max_angle_rad: 1.9          optional: beyond it nothing is visible
  pixel_centre: 0             optional: where the parameters count the centre of a pixel, 0 or 0.5
  size_px: [1400, 1400]       optional, beside `intrinsic`: the raw image, where the undistorted one is another
  windshield: {horizontal_poly: [...], vertical_poly: [...]}     optional
"""

from __future__ import annotations

from specialize.calibration.lens import Lens, lens_of
from specialize.calibration.lens.radial import FTheta
from specialize.calibration.lens.windshield import Windshield
from specialize.calibration.node import Node
from specialize.errors import InputError

_KEYS = ("max_angle_rad", "pixel_centre", "size_px", "windshield")


def read_lens(node: Node) -> Lens:
    """Parse the lens in a mapping.

    Raises:
        InputError: A key or a parameter is missing, unknown or invalid; the error names the key path.
    """
    node.mapping(("model", "parameters"), _KEYS)
    model, given = node.child("model").text(), node.child("parameters")
    if not isinstance(given.value, dict):
        raise given.error("a mapping of parameters by name")
    parameters = {str(name): _number(given.child(name)) for name in given.value}
    try:
        return lens_of(
            model,
            parameters,
            max_angle_rad=node.child("max_angle_rad").number() if node.has("max_angle_rad") else None,
            pixel_centre=node.child("pixel_centre").number() if node.has("pixel_centre") else 0.0,
            windshield=_windshield(node.child("windshield")) if node.has("windshield") else None,
        )
    except InputError as error:
        place = error.where.removeprefix("lens").lstrip(".")
        where = f"{node.where}.{place}" if place else node.where
        raise InputError(where, error.expected, error.found, error.hint) from error


def _number(node: Node) -> float:
    """Parse a parameter; the reference polynomial of an f-theta lens may be given by name."""
    names = FTheta.REFERENCES
    return float(names.index(node.value)) if node.value in names else node.number()


def _windshield(node: Node) -> Windshield:
    node.mapping(("horizontal_poly", "vertical_poly"))
    horizontal, vertical = (
        tuple(item.number() for item in node.child(key).items())
        for key in ("horizontal_poly", "vertical_poly")
    )
    return Windshield(horizontal, vertical)


def lens_lines(lens: Lens, size_px: tuple[int, int] | None) -> list[str]:
    """Return the YAML of a lens with all digits of every number; parameters at their defaults are omitted."""
    own = {name: value for name, value in lens.parameters.items() if lens.OPTIONAL.get(name) != value}
    lines = ["lens:", f"  model: {lens.MODEL}", f"  parameters: {{{_pairs(own)}}}"]
    if lens.max_angle_rad is not None:
        lines.append(f"  max_angle_rad: {lens.max_angle_rad!r}")
    if lens.pixel_centre:
        lines.append(f"  pixel_centre: {lens.pixel_centre!r}")
    if size_px is not None:
        lines.append(f"  size_px: [{size_px[0]}, {size_px[1]}]")
    if lens.windshield is not None:
        lines.append("  windshield:")
        for key, numbers in lens.windshield.content().items():
            lines.append(f"    {key}: {numbers}")
    return lines


def _pairs(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name}: {value + 0.0!r}" for name, value in numbers.items())
