"""Detect calibration hidden in a sidecar's constants: those that differ between cameras belong to one vehicle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from specialize.calibration.lint.findings import Finding


def constant_findings(constants: Mapping[str, np.ndarray], cameras: int) -> Iterator[Finding]:
    """Yield a finding for every constant of a sidecar that differs between cameras.

    Every vehicle would be built with these constants, whatever its profile says, and no comparison could reveal it.

    Args:
        constants: Constant by input name, any shape.
        cameras: Number of cameras of the profile.
    """
    for name, array in constants.items():
        if not _differs(array, cameras):
            continue
        shape = " x ".join(str(size) for size in array.shape)
        message = f"`other_inputs` holds {name} ({shape}), which differs between the {cameras} cameras"
        mend = "bind it in `calibration_inputs` with its kind of matrix, so that it follows the profile"
        yield Finding("constant-calibration", "error", "", message, mend)


def _differs(array: np.ndarray, cameras: int) -> bool:
    """Return whether the first axis longer than 1 is the camera axis and its entries differ."""
    sizes = [size for size in array.shape if size != 1]
    if cameras < 2 or len(sizes) < 2 or sizes[0] != cameras:
        return False
    rows = array.reshape(cameras, -1)
    return bool((rows != rows[:1]).any())
