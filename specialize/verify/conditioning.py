"""Bound how far an output may differ, from its own scale and from how far the original itself moves.

The original is run twice more on one frame: with every floating-point input moved by one unit in the last place, and
with the runtime's graph optimisations off, which adds in another order. The movement of its outputs is *noise*: no
comparison can distinguish an error of that size from rounding. Noise is measured in units of an element,

    unit = element scale + share * min(1, output scale)

where the element scale is that of `tolerance`, the output scale is the median magnitude of the output's values above
zero, and the share is atol / rtol of the table. The noise of an output is the 99th percentile over its elements: one
unit in the last place takes a point across the border of an image or of a cell, and changes a few elements by much.

    strict = min(table, max(64 * noise, 32 * epsilon))   bound of an output
    wide   = 8 * noise, if that is more than the table    bound of an ill-conditioned output that exceeds `strict`

Beyond noise of 1 % a comparison that needs `wide` shows nothing: it fails unless a person allows `ill-conditioned`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from specialize.evidence.power import Conditioning, Judgement
from specialize.evidence.tolerance import Tolerance
from specialize.verify.scale import ElementScales, as_rows, blocks

STRICT_MULTIPLE = 64.0
WIDE_MULTIPLE = 8.0
FLOOR_EPSILONS = 32.0
MOST_NOISE = 0.01
QUANTILE = 0.99

EPSILONS: Mapping[str, float] = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}


@dataclass(frozen=True, slots=True)
class Noise:
    """How far the original's own output moves; of integers and booleans, the share of elements that change.

    Attributes:
        scale: Median magnitude of the output's values above zero, the smallest over the frames.
        ulp: Noise under one unit in the last place of the inputs.
        order: Noise under another order of sums.
    """

    scale: float = 1.0
    ulp: float = 0.0
    order: float = 0.0

    @property
    def level(self) -> float:
        """The larger of both."""
        return max(self.ulp, self.order)


@dataclass(frozen=True, slots=True)
class Bound:
    """Bounds of one output.

    Attributes:
        strict: The bound that is applied first.
        wide: The bound of an ill-conditioned output that exceeds `strict`; the same as `strict` for others.
        noise: What was measured; None if nothing was.
        rule: Which rule made `strict`; meaningless if nothing was measured.
        lenient: Whether `wide` may be used.
        allowed: Whether a person accepts outputs for which a comparison shows nothing.
    """

    strict: Tolerance
    wide: Tolerance
    noise: Noise | None
    rule: Judgement
    lenient: bool = True
    allowed: bool = False

    @property
    def ill_conditioned(self) -> bool:
        """Whether the original moves by more than the table allows."""
        return self.wide != self.strict

    @property
    def remark(self) -> str:
        """Describe an ill-conditioned output in words; empty for others."""
        if not self.ill_conditioned or self.noise is None:
            return ""
        what = "values change" if self.strict.rtol == 0.0 else "its scale"
        ulp, order = (f"{100 * share:.2g} %" for share in (self.noise.ulp, self.noise.order))
        return (
            f"ill-conditioned: the original itself moves by {ulp} of {what} under one unit in the last place "
            f"of its inputs, and by {order} under another order of sums"
        )


def given(tolerance: Tolerance) -> Bound:
    """Return the bound of an output whose tolerance a caller gives."""
    return Bound(tolerance, tolerance, None, "table")


def bound_of(table: Tolerance, dtype: str, noise: Noise, lenient: bool = False) -> Bound:
    """Return the bound of an output.

    Args:
        table: The table's entry for its type.
        dtype: Its numpy type.
        noise: How far the original's output moves.
        lenient: Whether `wide` may be used where a comparison shows nothing; never for integers and booleans otherwise.
    """
    if table.rtol == 0.0:
        share = min(1.0, WIDE_MULTIPLE * noise.level)
        wide = msgspec.structs.replace(table, mismatches=share) if noise.level else table
        return Bound(table, wide, noise, "exact", lenient, lenient)
    floor = FLOOR_EPSILONS * EPSILONS.get(dtype, 1.0)
    wanted = max(STRICT_MULTIPLE * noise.level, floor)
    rtol = min(table.rtol, wanted)
    rule: Judgement = "table" if wanted >= table.rtol else "noise" if wanted > floor else "floor"
    strict = _scaled(table, rtol, noise.scale)
    widened = WIDE_MULTIPLE * noise.level
    wide = _scaled(table, widened, noise.scale) if widened > table.rtol else strict
    return Bound(strict, wide, noise, rule, lenient or noise.level <= MOST_NOISE, lenient)


def conditioning_of(bound: Bound, used: Tolerance, unsettled: int = 0) -> Conditioning | None:
    """Return the record of the bound that an output was judged by; None where nothing was measured.

    Args:
        bound: What it is judged by.
        used: Which of both bounds it was judged by.
        unsettled: How many of its values may be either of two that the original gives.
    """
    if bound.noise is None:
        return None
    noise = bound.noise
    rule: Judgement = "ill-conditioned" if bound.ill_conditioned and used == bound.wide else bound.rule
    return Conditioning(
        scale=_short(noise.scale),
        ulp=_short(noise.ulp),
        order=_short(noise.order),
        rtol=_short(used.rtol or used.mismatches),
        rule=rule,
        unsettled=unsettled,
    )


def movement(base: np.ndarray, moved: np.ndarray, table: Tolerance, scale: float) -> float:
    """Return how far an output moved: the 99th percentile in units of its elements, or the share that changed.

    Args:
        base: The output, any shape.
        moved: The same after a change that should not matter.
        table: The table's entry for its type.
        scale: Its scale, from `output_scale`.
    """
    if not base.size or base.shape != moved.shape:
        return 0.0
    if table.rtol == 0.0:
        return float(np.mean(base != moved))
    scales, floor = ElementScales.of(base), table.atol / table.rtol * min(1.0, scale)
    before, after = as_rows(base), as_rows(moved)
    shares = np.empty(before.shape)
    for some in blocks(base):
        a, b = before[some].astype(np.float64), after[some].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares[some] = np.nan_to_num(np.abs(a - b) / (scales.at(a) + floor), nan=0.0, posinf=1.0)
    return float(np.quantile(shares, QUANTILE, overwrite_input=True))


def nudged(feed: Mapping[str, np.ndarray], fixed: frozenset[str], seed: int = 0) -> dict[str, np.ndarray]:
    """Return inputs of which every floating-point number is the next one up or down, at random; zeros stay.

    Args:
        feed: Inputs by name.
        fixed: Inputs that stay as they are: switches and counters.
        seed: Of the directions.
    """
    random = np.random.default_rng(seed)
    return {
        name: array if name in fixed or array.dtype.kind != "f" else _next(array, random)
        for name, array in feed.items()
    }


def _next(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    away = random.integers(0, 2, size=array.shape).astype(np.bool_)
    towards = np.where(away, np.copysign(np.inf, array), 0.0).astype(array.dtype)
    return np.asarray(np.where(array == 0.0, array, np.nextafter(array, towards)), dtype=array.dtype)


def _short(figure: float) -> float:
    return float(f"{figure:.3g}")


def _scaled(table: Tolerance, rtol: float, scale: float) -> Tolerance:
    atol = table.atol / table.rtol * rtol * min(1.0, scale)
    return msgspec.structs.replace(table, rtol=rtol, atol=atol)
