"""Judge whether values are plausible: what cameras see under a bound calibration, without code of the compiler."""

from specialize.plausibility.constants import constant_findings
from specialize.plausibility.guesses import guess_findings
from specialize.plausibility.judge import Judged, judge_build
from specialize.plausibility.masks import SiteMask
from specialize.plausibility.record import Plausibility
from specialize.plausibility.values import VALUE_RULES, Sight, see_points, values_findings

__all__ = [
    "VALUE_RULES",
    "Judged",
    "Plausibility",
    "Sight",
    "SiteMask",
    "constant_findings",
    "guess_findings",
    "judge_build",
    "see_points",
    "values_findings",
]
