"""Prove that two models compute the same, and show that the proof could have failed.

The original runs on every frame, then on one frame with its inputs changed (`study`); from both follow the bounds that
the specialized model's outputs are judged by (`conditioning`) and what the comparison can show (`power`). One model
is open at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from specialize.allowances import ILL_CONDITIONED
from specialize.scratch import temporary_folder
from specialize.verify.kept import Kept
from specialize.verify.models import Progress, repeated, run_candidate, run_reference
from specialize.verify.noise import bounds_of
from specialize.verify.power import Power, weighed
from specialize.verify.repaired import check_repaired
from specialize.verify.report import VerifyReport
from specialize.verify.runtime import Runner, open_unoptimized
from specialize.verify.study import Study, Subject

Arrays = Mapping[str, np.ndarray]


def prove(
    subject: Subject,
    candidate: Path,
    frames: Sequence[Arrays],
    extra_outputs: Arrays,
    allowed: Collection[str],
    progress: Progress,
) -> VerifyReport:
    """Compare a specialized model with the original, and say what that can show.

    Args:
        subject: The original.
        candidate: The specialized model.
        frames: Inputs of both by name, frame by frame, calibration and tables included.
        extra_outputs: Outputs of the specialized model alone, and what each must be in every frame.
        allowed: What a person accepts, of `allowances`.
        progress: Called with a stage and the frame's number before each run.

    Raises:
        InputError: The original does not open or lacks an input.
        VerificationError: The specialized model does not open or does not run, or a repair of the original changes
            more than rounding.
    """
    how = ("onnxruntime", subject.threads)
    with Kept() as kept, temporary_folder("verify") as folder:
        repaired = check_repaired(subject.path, frames[0], subject.threads, folder)
        run_reference(subject.path, how, frames, kept, progress)
        last = kept.frames - 1
        study = Study(subject, frames[last], folder)
        studied = study.run(
            lambda ulp, order: bounds_of(kept, {}, ulp, order, ILL_CONDITIONED in allowed),
            lambda what: progress(what, last),
        )
        compare = partial(
            run_candidate, candidate, how, bounds=studied.bounds, extra=extra_outputs, progress=progress
        )
        compared = compare(feeds=map(dict, frames), kept=kept)
        if not all(output.passed for output in compared.outputs):
            with Kept() as either:
                run_reference(subject.path, how, frames, either, progress, _unoptimized)
                compared = compare(feeds=map(dict, frames), kept=kept, either=either)
        without = (*_unasked(study), *studied.lines)
        power = weighed(last, studied.influences, tuple(study.unchanged), without, studied.sites)
        notes = (
            *repaired,
            *repeated(kept),
            *(f"output {each.name!r} is {each.remark}" for each in compared.outputs if each.remark),
            *_lines(power),
        )
    return VerifyReport(how[0], how[0], kept.frames, compared.outputs, compared.problems, notes, power=power)


def _unoptimized(path: Path, runtime: str, threads: int) -> Runner:
    return open_unoptimized(path, threads)


def _lines(power: Power) -> list[str]:
    return [f"not shown: {line}" for line in power.not_shown]


def _unasked(study: Study) -> tuple[str, ...]:
    """Return what cannot be asked of a model, in one line each."""
    lines = []
    if not study.images and len(study.subject.cameras) > 1:
        lines.append(f"single cameras: no input has an axis of {len(study.subject.cameras)} cameras")
    if not study.subject.turned:
        lines.append("the calibration: no input that is read changes with the direction of a camera")
    if study.fixed:
        why = "lengths of this vehicle are in its file"
        lines.append(f"the calibration: the original does not run with its cameras turned, {why}")
    return tuple(lines)
