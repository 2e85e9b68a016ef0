"""Does a sidecar hold a calibration? Constants that differ between cameras belong to one vehicle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from specialize.calibration.lint.findings import Finding


def constant_findings(constants: Mapping[str, np.ndarray], cameras: int) -> Iterator[Finding]:
    """Yield the constants of a sidecar that hold something else for each camera.

    Every vehicle would be built with them, whatever its profile says, and no comparison could show it.

    Args:
        constants: Constant by input name, any shape.
        cameras: Number of cameras of the profile.
    """
    for name, array in constants.items():
        if not _differs(array, cameras):
            continue
        shape = " x ".join(str(size) for size in array.shape)
        message = f"`other_inputs` holds {name} ({shape}), which is another for each of the {cameras} cameras"
        mend = "bind it in `calibration_inputs`, with the kind of matrix that it is, so that it follows the profile"
        yield Finding("constant-calibration", "error", "", message, mend)


def _differs(array: np.ndarray, cameras: int) -> bool:
    """Whether the first axis that is not of one element is of cameras, and they differ."""
    sizes = [size for size in array.shape if size != 1]
    if cameras < 2 or len(sizes) < 2 or sizes[0] != cameras:
        return False
    rows = array.reshape(cameras, -1)
    return bool((rows != rows[:1]).any())
