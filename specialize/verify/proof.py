"""Prove that two models compute the same, and show that the proof could have failed.

The original runs on every frame, then on one frame with its inputs changed (`study`); from both follow the bounds that
the specialized model's outputs are judged by (`conditioning`) and what the comparison can show (`power`). One model
is open at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from specialize.allowances import ILL_CONDITIONED
from specialize.power import Power
from specialize.scratch import temporary_folder
from specialize.verify.conditioning import Bound
from specialize.verify.exact_sums import is_settled, judge_original, write_exact
from specialize.verify.kept import Kept
from specialize.verify.models import Compared, Progress, repeated, run_candidate, run_reference
from specialize.verify.noise import bounds_of
from specialize.verify.power import weighed
from specialize.verify.repaired import check_repaired
from specialize.verify.report import VerifyReport
from specialize.verify.runtime import Runner, open_unoptimized
from specialize.verify.study import Studied, Study, Subject

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
        studies = _Studies(subject, frames, kept, ILL_CONDITIONED in allowed, folder, progress)

        def compare(kept: Kept, bounds: Mapping[str, Bound], either: Kept | None = None) -> Compared:
            feeds = map(dict, frames)
            return run_candidate(candidate, how, feeds, kept, bounds, extra_outputs, progress, either)

        study, studied = studies.of(last)
        compared = compare(kept, studied.bounds)
        while studies.learn(compared):
            study, studied = studies.of(last)
            compared = compare(kept, studied.bounds)
        again = partial(run_reference, how=how, feeds=frames, progress=progress)
        compared, told = _recompared(compared, compare, again, kept, studied.bounds, (subject.path, folder))
        without = (*_unasked(study), *studied.lines)
        power = weighed(last, studied.influences, tuple(study.unchanged), without, studied.sites)
        notes = (
            *repaired,
            *told,
            *repeated(kept),
            *(f"output {each.name!r} is {each.remark}" for each in compared.outputs if each.remark),
            *_lines(power),
        )
    return VerifyReport(how[0], how[0], kept.frames, compared.outputs, compared.problems, notes, power=power)


def _recompared(
    compared: Compared,
    compare: Callable[..., Compared],
    run: Callable[..., None],
    kept: Kept,
    bounds: Mapping[str, Bound],
    written: tuple[Path, Path],
) -> tuple[Compared, tuple[str, ...]]:
    """Compare outputs that exceed their strict bound with the original computed in another way, if there is one.

    Args:
        compared: What was found.
        compare: Runs the specialized model against kept outputs.
        run: Runs a model on all frames and keeps its outputs.
        kept: The original's outputs.
        bounds: What each output is judged by.
        written: The original, and a folder for other forms of it.

    Returns:
        What was found at last, and what a report says about it.
    """
    exact = None if is_settled(compared.outputs) else write_exact(*written)
    if exact is not None:  # differences of large sums
        with Kept() as sums:
            run(exact, kept=sums)
            judged = judge_original(kept, sums, bounds)
            return compare(sums, judged.bounds), judged.lines()
    if all(output.passed for output in compared.outputs):
        return compared, ()
    with Kept() as either:  # points on a border
        run(written[0], kept=either, opened=_unoptimized)
        return compare(kept, bounds, either), ()


@dataclass(slots=True, eq=False)
class _Studies:
    """Studies an original frame by frame: a switch makes another state of it, with noise of its own.

    Attributes:
        subject: The original.
        frames: Its inputs by name, frame by frame.
        kept: Its outputs.
        lenient: Whether a person accepts outputs that rounding alone moves by more than a proof could see.
        folder: Where parts are written.
        progress: Called with a stage and the frame's number before each run.
        noise: The most that each output moved in the frames that were studied, by one unit in the last place and by
            another order of sums.
        known: Frames whose noise was measured.
        count: Studies so far; the parts of each lie in a folder of its own.
    """

    subject: Subject
    frames: Sequence[Arrays]
    kept: Kept
    lenient: bool
    folder: Path
    progress: Progress
    noise: tuple[dict[str, float], dict[str, float]] = field(default_factory=lambda: ({}, {}))
    known: set[int] = field(default_factory=set)
    count: int = 0

    def of(self, frame: int) -> tuple[Study, Studied]:
        """Study one frame; its bounds follow from the noise of this and of every other frame that is known."""
        self.known.add(frame)
        study = self._study(frame)
        return study, study.run(self._bounds, lambda what: self.progress(what, frame))

    def learn(self, compared: Compared) -> bool:
        """Measure the noise in a frame in which an output is beyond its bound; False if all of these are known."""
        wrong = [output.worst_frame for output in compared.outputs if not output.passed]
        frame = next((frame for frame in wrong if frame not in self.known), None)
        if frame is None:
            return False
        self.known.add(frame)
        self._bounds(*self._study(frame).noise(lambda what: self.progress(what, frame)))
        return True

    def _study(self, frame: int) -> Study:
        self.count += 1
        folder = self.folder / f"study{self.count}"
        folder.mkdir()
        return Study(self.subject, self.frames[frame], folder)

    def _bounds(self, *moved: Mapping[str, float]) -> Mapping[str, Bound]:
        for most, now in zip(self.noise, moved, strict=True):
            most.update({name: max(much, most.get(name, 0.0)) for name, much in now.items()})
        return bounds_of(self.kept, {}, *self.noise, self.lenient)


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
