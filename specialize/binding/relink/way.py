"""One way in which a table may be made, and whether it gives what the compiler gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.binding.relink.assemble import Draft
from specialize.binding.relink.places import DoesNotFitError

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to make a table.

    Attributes:
        key: By which it differs from the others, whatever the capacity for rows.
        content: Returns what it gives for a vehicle, by its number, in any shape.
        make: Returns the same as an array of the program.
    """

    key: tuple[object, ...]
    content: Callable[[int], Array]
    make: Callable[[], Draft]


def gives(way: Way, vehicle: int, wanted: Array) -> bool:
    """Return whether a way gives the content of a table."""
    try:
        found = way.content(vehicle)
    except DoesNotFitError:
        return False
    return found.size == wanted.size and bool((found.reshape(-1) == wanted.reshape(-1)).all())
