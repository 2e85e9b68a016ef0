"""Record what a proof at the sites rests on: the build that was proven whole, and what it recorded."""

from __future__ import annotations

from typing import Literal

from specialize.evidence.tolerance import Tolerance
from specialize.text.record import Record

Proof = Literal["whole", "sites"]
"""`whole`: both models ran from inputs to outputs. `sites`: what depends on the calibration ran on recorded values."""


class AtSites(Record, frozen=True, kw_only=True):
    """What a proof at the sites rests on.

    Attributes:
        build: Key of the build that was proven whole, and whose other segments this one has.
        vehicle: Its vehicle.
        recording: Digest of what was recorded when it was proven.
        frame: Frame that was recorded.
        equal: Values that are computed node for node, and weight for weight, as in that build.
        moved: How far cameras turned by 2 degrees move each value that was compared, as a multiple of what is allowed.
        tolerances: What the outputs of that build were allowed to differ by, by name.
        alike: Value -> the one that was compared for it: the same nodes and tables, with weights as in that build.
    """

    build: str
    vehicle: str
    recording: str
    frame: int
    equal: int
    moved: dict[str, float]
    tolerances: dict[str, Tolerance]
    alike: dict[str, str] = {}


class SiteNoise(Record, frozen=True, kw_only=True):
    """How far a value of the original moves by itself; the fields are those of `Noise` in `verify/conditioning`.

    Attributes:
        scale: Median magnitude above zero.
        ulp: Under one unit in the last place of what it is computed from.
        order: Under another order of sums.
        dtype: Its numpy type.
    """

    scale: float
    ulp: float
    order: float
    dtype: str


class SiteConstants(Record, frozen=True, kw_only=True):
    """What computes a bound value in the specialized model.

    Attributes:
        structure: Digest of operators, attributes and edges.
        constants: Digests of the constants, in the order in which they are read.
        reads: Named values that it reads, likewise.
    """

    structure: str
    constants: tuple[str, ...]
    reads: tuple[str, ...]


class Recorded(Record, frozen=True, kw_only=True):
    """What the first build of a model leaves for proofs at the sites.

    Attributes:
        schema: Version of this format.
        family: Digest of all that builds with this recording have in common: the build key without the vehicle.
        build: Key of the build that was proven whole.
        vehicle: Its vehicle.
        frame: Frame that was recorded.
        cuts: Names of the values at which both models are cut.
        ends: Digest of the inputs and outputs of the specialized model.
        segments: Digest of every segment of the specialized model that does not read the calibration, by its value.
        sites: What computes each value that is to be compared, in the specialized model.
        noise: How far each of these moves.
        moved: How far cameras turned by 2 degrees move it, as a multiple of what is allowed.
        tolerances: What the outputs were allowed to differ by in the whole proof, by name.
        arrays: Digest of the file of each recorded value.
    """

    schema: str = "specialize/recording@1"
    family: str
    build: str
    vehicle: str
    frame: int
    cuts: tuple[str, ...]
    ends: str
    segments: dict[str, str]
    sites: dict[str, SiteConstants]
    noise: dict[str, SiteNoise]
    moved: dict[str, float]
    tolerances: dict[str, Tolerance]
    arrays: dict[str, str]
