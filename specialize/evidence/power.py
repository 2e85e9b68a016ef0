"""Record what a comparison with the original can detect, and the tolerance of each output.

Verification returns the same records that the manifest stores.
"""

from __future__ import annotations

from typing import Literal

from specialize.text.record import Record

ILL_CONDITIONED = "ill-conditioned"
"""`--allow` code for outputs that rounding alone moves by more than a comparison could detect."""

EMPTY_PROOF = "empty-proof"
"""`--allow` code for a comparison that could not have failed."""

OF_A_PROOF = (EMPTY_PROOF, ILL_CONDITIONED)

SHOWN = 10.0
"""A change that moves an output by this multiple of its tolerance cannot go undetected."""


Kind = Literal["camera", "input", "calibration"]
Judgement = Literal["table", "noise", "floor", "exact", "ill-conditioned", "float64"]


class Influence(Record, frozen=True, kw_only=True):
    """One change of the original's inputs, and what it does.

    Attributes:
        kind: `camera` (it gets the features of its neighbour), `input` (it gets other values) or `calibration` (every
            camera is turned by 2 degrees).
        name: Name of the camera or the input; empty for the calibration.
        outputs: Largest movement of each output, as a multiple of what the comparison allows there; at most 1e9, which
            is also that of an output that must be equal.
        shown: Whether any of them is at least 10, so that the change cannot hide in what is allowed.
    """

    kind: Kind
    name: str
    outputs: dict[str, float]
    shown: bool

    @property
    def factor(self) -> float:
        """The largest influence on any output."""
        return max(self.outputs.values(), default=0.0)


class Conditioning(Record, frozen=True, kw_only=True):
    """What one output was judged by, and why.

    Attributes:
        scale: Median magnitude of its values above zero.
        ulp: How far the original moves under one unit in the last place of its inputs, relative to the scale.
        order: How far it moves under another order of sums.
        rtol: Relative bound that was used; of integers the share of elements that may differ.
        rule: `table` (the most that is ever allowed), `noise` (64 times what was measured), `floor` (32 epsilon),
            `exact`, `ill-conditioned` (8 times what was measured, beyond the table), or `float64` (one of the first
            three, against the original with its cumulative sums in float64, from which the original itself is farther).
        unsettled: Values, over all frames, in which the original differs between two orders of sums, and which may
            equal either; counted only if the output exceeds its bound otherwise.
    """

    scale: float
    ulp: float
    order: float
    rtol: float
    rule: Judgement
    unsettled: int = 0


class SitePower(Record, frozen=True, kw_only=True):
    """What was shown at one site of the original, with what other sites compute held fixed.

    Attributes:
        where: Name of the node.
        pairs: Pairs of camera and query that the build computes there.
        moved: Those whose row changes if that camera, and no other, gets the features of its neighbour.
        elsewhere: Rows that change although the build has no row of that camera there.
        outputs: Largest movement of each output if every row of the site's result has the values of the one before,
            as a multiple of what the comparison allows.
        shown: Whether exactly the rows that are computed matter, and their order matters to an output.
    """

    where: str
    pairs: int
    moved: int
    elsewhere: int
    outputs: dict[str, float]
    shown: bool


class Power(Record, frozen=True, kw_only=True):
    """What the comparison with the original could show.

    Attributes:
        frame: Frame that the inputs were changed in.
        influences: Every change and what it does.
        not_shown: What could not be shown, in one line each.
        empty: Why the comparison as a whole shows nothing; empty if it does.
        outputs: What each output was judged by, by name.
        sites: What was shown at each site; nothing in mode `envelope`, where the calibration is known at run time only.
    """

    frame: int
    influences: tuple[Influence, ...]
    not_shown: tuple[str, ...] = ()
    empty: str = ""
    outputs: dict[str, Conditioning] = {}
    sites: tuple[SitePower, ...] = ()
