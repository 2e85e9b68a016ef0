"""How quick equal formulations of attention are on the runtimes of targets: what decides a target's own form.

`measured.json` is written by `make formulations` from what `benchmarks/formulations.py` measured. A target that has
figures there writes attention as the quickest form of the operators that its opset has, unless that is less than
`LEAST_GAIN` faster than GridSample; a test holds every target to it. Other targets have the form that their documents
or compilers ask for.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

from specialize.lowering.formulations import FORMULATIONS, GRID_SAMPLE
from specialize.targets.base import Toolchain
from specialize.text.record import Record, from_json, to_json
from specialize.text.units import counted, times

LEAST_GAIN = 1.1
"""How many times faster than GridSample another form must be to be a default: it changes the bytes of every build."""
FILE = Path(__file__).with_name("measured.json")


class MeasuredForms(Record, frozen=True, kw_only=True):
    """Formulations on one runtime, at the sizes of several sites.

    Attributes:
        runtime: Name and version.
        source: File of the repository with the figures, and the machine.
        sites: Number of sites that were measured.
        faster: Formulation -> how many times faster than GridSample, geometric mean of the sites where it was timed.
    """

    runtime: str
    source: str
    sites: int
    faster: dict[str, float]


@functools.cache
def measured_forms() -> dict[str, MeasuredForms]:
    """Return what was measured, by target."""
    return from_json(json.loads(FILE.read_text(encoding="utf-8")), dict[str, MeasuredForms])


def quickest_form(toolchain: Toolchain) -> str | None:
    """Return the form that the figures choose for a target; None for a target without figures."""
    found = measured_forms().get(toolchain.name)
    if found is None:
        return None
    taken = {form: gain for form, gain in found.faster.items() if _is_usual(form, toolchain)}
    best = max(taken, key=lambda form: taken[form])
    return best if taken[best] >= LEAST_GAIN else GRID_SAMPLE


def why_form(toolchain: Toolchain, form: str = "") -> str:
    """Return how a target writes attention, and what decided that: a measurement, the user, or its compiler."""
    if form:
        return f"{form}, as --attention says"
    found = measured_forms().get(toolchain.name)
    if found is None:
        return f"{toolchain.form}, what {toolchain.name} takes; not timed here"
    where = f"at {counted(found.sites, 'site')} on {found.runtime}"
    if toolchain.form != GRID_SAMPLE:
        gain = times(found.faster[toolchain.form])
        return f"{toolchain.form}, {gain} faster than {GRID_SAMPLE} {where}"
    rest = [
        f"; {name} of opset {FORMULATIONS[name].opset} is {times(gain)} faster"
        for name, gain in found.faster.items()
        if gain >= LEAST_GAIN and not _is_usual(name, toolchain)
    ]
    return f"{GRID_SAMPLE}, no other form of opset {toolchain.opset} is clearly faster {where}{''.join(rest)}"


def _is_usual(form: str, toolchain: Toolchain) -> bool:
    """Return whether a target takes a form without a newer opset than is written for it."""
    return form in toolchain.taken() and FORMULATIONS[form].opset <= toolchain.opset


def as_file(found: dict[str, MeasuredForms]) -> str:
    """Return the text of `measured.json`."""
    return json.dumps(to_json(found), indent=1) + "\n"
