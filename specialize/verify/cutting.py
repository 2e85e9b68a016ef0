"""Cut an original and a specialized model at the same values, so that only few segments depend on the calibration.

    original:     named values --f--> v        named values, calibration --g--> w
    specialized:  named values --f'-> v        named values, its own constants --g'-> w

A value whose segment in the original reads the calibration is *bound*. All other segments are the same for every
calibration, so what the first build of a model has shown about them holds for the next, if it has the same segments.
For that to be sound, every value must follow from the same values *of the calibration* in both graphs; where it does
not, a value is no cut.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from specialize.verify.segments import Net, Segment, in_common


@dataclass(frozen=True, slots=True, eq=False)
class Cutting:
    """Two graphs, cut at the same values.

    Attributes:
        original: The original.
        specialized: The specialized model.
        calibration: Inputs of the original that are constant in the specialized model.
        cuts: Names of the values at which both are cut.
        of_original: Segment of every value of the original that its outputs depend on.
        of_specialized: Likewise of the specialized model.
        bound: Names of the values whose segment in the original reads the calibration.
    """

    original: Net
    specialized: Net
    calibration: frozenset[str]
    cuts: frozenset[str]
    of_original: Mapping[str, Segment]
    of_specialized: Mapping[str, Segment]
    bound: frozenset[str]

    @property
    def reads(self) -> frozenset[str]:
        """Named values and inputs that segments of bound values read, the calibration left out."""
        return self.read_by(self.bound)

    def read_by(self, names: Collection[str]) -> frozenset[str]:
        """Return the named values and inputs that the segments of some values read, the calibration left out."""
        parts = [segments[name] for segments in (self.of_original, self.of_specialized) for name in names]
        named = {name for segment in parts for name in segment.reads}
        return frozenset(named - self.calibration)

    @property
    def tainted(self) -> frozenset[str]:
        """Values of the original that follow from the calibration, in whatever way."""
        return frozenset(_tainted(self, self.calibration))


def cut_both(original: Net, specialized: Net, calibration: Collection[str]) -> Cutting:
    """Return two graphs cut at all values that serve.

    Args:
        original: The original.
        specialized: The specialized model.
        calibration: Inputs of the original that are constant in the specialized model.
    """
    cuts = in_common(original, specialized, calibration)
    while True:
        found = cut_at(original, specialized, cuts, calibration)
        kept = (
            cuts & found.of_original.keys() & found.of_specialized.keys() - set(differing(found, calibration))
        )
        if kept == cuts:
            return found
        cuts = kept


def cut_at(original: Net, specialized: Net, cuts: frozenset[str], calibration: Collection[str]) -> Cutting:
    """Return two graphs cut at given values."""
    of_original, of_specialized = original.segments(cuts), specialized.segments(cuts)
    wanted = set(calibration)
    bound = frozenset(name for name, segment in of_original.items() if segment.reads & wanted)
    return Cutting(original, specialized, frozenset(wanted), cuts, of_original, of_specialized, bound)


def differing(cutting: Cutting, calibration: Collection[str]) -> list[str]:
    """Return cuts that follow from the calibration, and that one graph alone reads on the way to a value.

    Such a value of a recording would be that of the calibration it was recorded with.
    """
    tainted = _tainted(cutting, calibration)
    found: set[str] = set()
    for name, segment in cutting.of_specialized.items():
        other = cutting.of_original.get(name)
        if other is not None:
            found |= (segment.reads ^ other.reads) & tainted
    return sorted(found)


def _tainted(cutting: Cutting, calibration: Collection[str]) -> set[str]:
    """Return the values of the original that follow from the calibration, in whatever way."""
    readers: dict[str, list[str]] = {}
    for name, segment in cutting.of_original.items():
        for read in segment.reads:
            readers.setdefault(read, []).append(name)
    found: set[str] = set()
    waiting = list(calibration)
    while waiting:
        for reader in readers.get(waiting.pop(), ()):
            if reader not in found:
                found.add(reader)
                waiting.append(reader)
    return found
