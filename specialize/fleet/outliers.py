"""Which cameras of a kind of vehicles are outliers: a rule that needs no tuning and no normal distribution.

For every camera and quantity the distances of the vehicles of one kind from their median are given. A vehicle is an
outlier if its distance exceeds

    max(least, median + RIGOUR * 1.4826 * MAD)

both for this camera over the vehicles and for all cameras together. MAD is the median absolute deviation of
these distances (1.4826 MAD is the standard deviation of normal numbers); all cameras together steady it where
vehicles are few. `least` is what a calibration itself is worth: below it a camera is not called an outlier,
however alike the others are. Medians have no opinion on fewer than four vehicles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RIGOUR = 5.0
FEWEST = 4
# Where more vehicles than this are outliers, the median is of vehicles that differ in a few cameras on purpose.
MIXED = 0.25

# What a quantity must exceed to be worth a person's time, and how it is said.
LEAST = {"rotation_mrad": 2.0, "translation_mm": 10.0, "focal_percent": 0.5, "principal_point_px": 5.0}
_WORDS = {
    "rotation_mrad": "{:.0f} mrad",
    "translation_mm": "{:.0f} mm",
    "focal_percent": "{:.1f} % focal length",
    "principal_point_px": "{:.0f} px principal point",
}


@dataclass(frozen=True, slots=True)
class Outlier:
    """One camera of one vehicle that is an outlier in one quantity.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        camera: Name of the camera.
        quantity: A key of `LEAST`; its last part is the unit.
        value: Distance from the median of its kind.
        limit: What the rule allows.
        kind: Number of its kind, from 1.
        median: Which median that is, in words.
    """

    vehicle: str
    path: Path
    camera: str
    quantity: str
    value: float
    limit: float
    kind: int = 1
    median: str = "the fleet's median"

    def __str__(self) -> str:
        """Return the sentence that people read."""
        return f"{self.vehicle}: {self.camera} {_WORDS[self.quantity].format(self.value)} from {self.median}"


def limits(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the rule allows, (N, 4), from distances (V, N, 4) in the order of `LEAST`."""
    if len(distances) < FEWEST:
        return np.full(distances.shape[1:], np.inf)
    found = np.empty(distances.shape[1:])
    for column, least in enumerate(LEAST.values()):
        one = distances[..., column]  # (V, N)
        together = float(_allowed(one.reshape(-1)))
        found[:, column] = np.maximum(max(least, together), _allowed(one))
    return found


def _allowed(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return median plus `RIGOUR` robust standard deviations along the first axis."""
    middle = np.median(distances, axis=0)
    spread = 1.4826 * np.median(np.abs(distances - middle), axis=0)
    return np.asarray(middle + RIGOUR * spread)
