"""Define how far a specialized model may be from the original: one table, by dtype.

Specialization changes neither the mathematics nor the weights. What remains is rounding: a MatMul over fewer rows may
add in another order, and later layers pass this on. An element passes when

    |candidate - reference| <= atol + rtol * max(|reference|, min(row scale, column scale))

The *row* of an element is the last axis (one query's features), the *column* is one feature over all rows. The row
scale is the root mean square of the row, the column scale the median of the column's magnitudes. Both are local on
purpose: with one scale for the whole tensor, a single huge value would let a wrong row pass. The floor `atol` covers
results that cancel to nearly zero.

Integers and booleans must be equal. An index or a label (TopK, ArgMax) may legitimately differ if two scores are equal
within rounding; this is never assumed. A caller who knows that an output is of this kind states this with
`mismatches`, the share of elements that may differ, for that output alone.

NaN and infinity fail, in one model or in both at the same place: two wrong results that agree are no evidence. A model
that uses them (a mask of minus infinity) needs `nonfinite=True` for that output; then they must agree in place and
sign.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from specialize.evidence.tolerance import Tolerance
from specialize.verify.scale import Floats, element_scale


def allowed_by(tolerance: Tolerance, reference: np.ndarray) -> Floats:
    """Return how far each element of an output may be from this one, in its shape and unit."""
    scale = element_scale(reference.astype(np.float64))
    return (tolerance.atol + tolerance.rtol * scale).reshape(reference.shape)


EXACT = Tolerance(0.0, 0.0)

# float32: 24 bits, sums of a few hundred products, a dozen layers, and samples that land on the other side of
# a pixel's centre; the original code in float32 against float64 is within 1e-5 on BEV features (of order 1)
# and 3e-4 on boxes (tens of metres). A lost query is off by 1e-2 and more. The others: by their bits.
TOLERANCES: Mapping[str, Tolerance] = {
    "float64": Tolerance(1e-12, 1e-11),
    "float32": Tolerance(5e-5, 2e-4),
    "float16": Tolerance(5e-3, 2e-2),
    "bfloat16": Tolerance(4e-2, 1.6e-1),
}


def tolerance_for(name: str, dtype: np.dtype, overrides: Mapping[str, Tolerance]) -> Tolerance:
    """Return the tolerance of an output: the caller's for this name, else the table's for its dtype."""
    return overrides.get(name, TOLERANCES.get(dtype.name, EXACT))
