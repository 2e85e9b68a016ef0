"""Test whether an engine computes what the build was verified to compute: the twin of `golden.hpp`, in numpy alone.

golden = parse_golden(Path("golden.bin").read_bytes())
result = selftest(golden, engine)   # takes all inputs by name, returns all outputs by name
if result.reason is not Reason.OK: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from specialize.vehicle.golden import Array, Expected, Golden
from specialize.vehicle.words import Reason

Engine = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selftest:
    """What an engine was found to do.

    Attributes:
        reason: `OK`, `GOLDEN_DIFFERS`, `GOLDEN_BLIND` (it gives the outputs of the other frame) or `ENGINE_FAILED`.
        frame: The frame that is not as expected; -1 if both are.
        output: Name of its first output that differs, or that the engine did not give.
        index: Place of its first element that differs, in C order; -1 without one.
        beyond: Elements of that output that differ.
        expected: What the element must be.
        found: What it is.
        allowed: How far it may be off.
    """

    reason: Reason
    frame: int = -1
    output: str = ""
    index: int = -1
    beyond: int = 0
    expected: float = 0.0
    found: float = 0.0
    allowed: float = 0.0


def selftest(golden: Golden, run: Engine) -> Selftest:
    """Run an engine on both frames and compare what it gives.

    Args:
        golden: The frames.
        run: Takes all inputs by name and returns all outputs by name; what it raises is raised.
    """
    for frame in range(2):
        gave = run({each.name: each.frames[frame] for each in golden.inputs})
        for output in golden.outputs:
            if not _is_like(gave.get(output.name), output.frames[frame]):
                return Selftest(reason=Reason.ENGINE_FAILED, frame=frame, output=output.name)
        found = (difference(output, frame, gave[output.name]) for output in golden.outputs)
        first = next((each for each in found if each is not None), None)
        if first is not None:
            other = (difference(output, 1 - frame, gave[output.name]) for output in golden.outputs)
            return replace(first, reason=Reason.GOLDEN_BLIND) if not any(other) else first
    return Selftest(reason=Reason.OK)


def _is_like(found: Array | None, wanted: Array) -> bool:
    return found is not None and (found.shape, found.dtype) == (wanted.shape, wanted.dtype)


def difference(output: Expected, frame: int, found: Array) -> Selftest | None:
    """Return the first difference of what an engine gave from one frame of an output; None within bounds."""
    wanted, allowed = output.frames[frame].reshape(-1), output.allowed[frame].reshape(-1)
    found = found.reshape(-1)
    broken = np.zeros(len(wanted), np.bool_)
    if wanted.dtype.kind == "f":
        a, b = wanted.astype(np.float64), found.astype(np.float64)
        finite = np.isfinite(a) & np.isfinite(b)
        alike = (a == b) | (np.isnan(a) & np.isnan(b))
        broken = ~finite & ~(alike & output.nonfinite)
        with np.errstate(invalid="ignore"):
            beyond = np.where(finite, ~(np.abs(b - a) <= allowed.astype(np.float64)), broken)
    else:
        beyond = wanted != found
    if not broken.any() and np.count_nonzero(beyond) <= output.may_differ:
        return None
    index = int(np.argmax(beyond))
    return Selftest(
        reason=Reason.GOLDEN_DIFFERS,
        frame=frame,
        output=output.name,
        index=index,
        beyond=int(np.count_nonzero(beyond)),
        expected=float(wanted[index]),
        found=float(found[index]),
        allowed=float(allowed[index]),
    )
