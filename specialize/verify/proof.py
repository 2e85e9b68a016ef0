"""Verify that two models compute the same, and show that the comparison could have failed.

The original runs on every frame, then on one frame with its inputs changed (`study`); both determine the bounds of the
specialized model's outputs (`conditioning`) and what the comparison can show (`power`). One model is open at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from specialize.evidence.comparison import VerifyReport
from specialize.evidence.power import ILL_CONDITIONED, Power
from specialize.files.scratch import temporary_folder
from specialize.verify.conditioning import Bound
from specialize.verify.exact_sums import is_settled, judge_original, write_exact
from specialize.verify.kept import Kept
from specialize.verify.models import Compared, Opened, Progress, repeated, run_candidate, run_reference
from specialize.verify.noise import bounds_of
from specialize.verify.pieces import lines_of, open_in_order, open_reference
from specialize.verify.power import weighed
from specialize.verify.repaired import check_repaired
from specialize.verify.runtime import Runner
from specialize.verify.study import Studied, Study, Subject

Arrays = Mapping[str, np.ndarray]
RUNTIME = "onnxruntime"


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
    with Kept() as kept, temporary_folder("verify") as folder:
        repaired = check_repaired(subject.path, frames[0], subject.threads, folder)
        proof = _Proof(
            subject, candidate, frames, extra_outputs, ILL_CONDITIONED in allowed, progress, folder, kept
        )
        proof.run(subject.path, kept)
        last = kept.frames - 1
        study, studied = proof.study(last)
        compared = proof.compare(kept, studied.bounds)
        while proof.learn(compared):
            study, studied = proof.study(last)
            compared = proof.compare(kept, studied.bounds)
        compared, told = proof.compare_again(compared, studied.bounds)
        without = (*_unasked(study), *studied.lines)
        judged = {name: each.conditioning for name, each in compared.outputs.items() if each.conditioning}
        power = weighed(last, studied.influences, tuple(study.unchanged), without, studied.sites)
        power = msgspec.structs.replace(power, outputs=judged)
        notes = (
            *repaired,
            *lines_of(subject.path),
            *told,
            *repeated(kept),
            *(f"output {name!r} is {each.remark}" for name, each in compared.outputs.items() if each.remark),
            *_lines(power),
        )
        return compared.report((RUNTIME, RUNTIME), kept.frames, notes, power)


@dataclass(slots=True, eq=False)
class _Proof:
    """What a proof runs: the original, studies of it, and the specialized model against its outputs.

    A switch makes another state of the original, with noise of its own; what was measured in one frame holds for all.

    Attributes:
        subject: The original.
        candidate: The specialized model.
        frames: Inputs of both by name, frame by frame.
        extra_outputs: Outputs of the specialized model alone, and what each must be in every frame.
        lenient: Whether a person accepts outputs that rounding alone moves by more than a proof could see.
        progress: Called with a stage and the frame's number.
        folder: Where other forms and parts of the original are written.
        kept: The original's outputs.
        noise: The most that each output moved in the frames that were studied, by one unit in the last place and by
            another order of sums.
        known: Frames whose noise was measured.
        count: Studies so far; the parts of each lie in a folder of its own.
    """

    subject: Subject
    candidate: Path
    frames: Sequence[Arrays]
    extra_outputs: Arrays
    lenient: bool
    progress: Progress
    folder: Path
    kept: Kept
    noise: tuple[dict[str, float], dict[str, float]] = field(default_factory=lambda: ({}, {}))
    known: set[int] = field(default_factory=set)
    count: int = 0

    def run(self, path: Path, kept: Kept, opened: Opened = open_reference) -> None:
        """Run a form of the original on every frame and keep its outputs."""
        run_reference(path, (RUNTIME, self.subject.threads), self.frames, kept, self.progress, opened)

    def compare(self, kept: Kept, bounds: Mapping[str, Bound], either: Kept | None = None) -> Compared:
        """Run the specialized model on every frame and compare it with kept outputs; it may equal `either` as well."""
        how, feeds = (RUNTIME, self.subject.threads), map(dict, self.frames)
        return run_candidate(
            self.candidate, how, feeds, kept, bounds, self.extra_outputs, self.progress, either
        )

    def compare_again(
        self, compared: Compared, bounds: Mapping[str, Bound]
    ) -> tuple[Compared, tuple[str, ...]]:
        """Compare what exceeds its strict bound with the original computed in another way, if there is one.

        Returns:
            What was found at last, and what a report says about it.
        """
        exact = None if is_settled(compared.outputs.values()) else write_exact(self.subject.path, self.folder)
        if exact is not None:  # differences of large sums
            with Kept() as sums:
                self.run(exact, sums)
                judged = judge_original(self.kept, sums, bounds)
                return self.compare(sums, judged.bounds), judged.lines()
        if all(output.report.passed for output in compared.outputs.values()):
            return compared, ()
        with Kept() as either:  # points on a border
            self.run(self.subject.path, either, _unoptimized)
            return self.compare(self.kept, bounds, either), ()

    def study(self, frame: int) -> tuple[Study, Studied]:
        """Study one frame; its bounds follow from the noise of this and of every other frame that is known."""
        self.known.add(frame)
        study = self._new_study(frame)
        return study, study.run(self._bounds, lambda what: self.progress(what, frame))

    def learn(self, compared: Compared) -> bool:
        """Measure the noise in a frame in which an output is beyond its bound; False if all of these are known."""
        reports = [output.report for output in compared.outputs.values()]
        wrong = [report.worst.frame for report in reports if not report.passed]
        frame = next((frame for frame in wrong if frame not in self.known), None)
        if frame is None:
            return False
        self.known.add(frame)
        self._bounds(*self._new_study(frame).noise(lambda what: self.progress(what, frame)))
        return True

    def _new_study(self, frame: int) -> Study:
        self.count += 1
        folder = self.folder / f"study{self.count}"
        folder.mkdir()
        return Study(self.subject, self.frames[frame], folder)

    def _bounds(self, *moved: Mapping[str, float]) -> Mapping[str, Bound]:
        for most, now in zip(self.noise, moved, strict=True):
            most.update({name: max(much, most.get(name, 0.0)) for name, much in now.items()})
        return bounds_of(self.kept, {}, *self.noise, self.lenient)


def _unoptimized(path: Path, runtime: str, threads: int) -> Runner:
    return open_in_order(path, threads)


def _lines(power: Power) -> list[str]:
    return [f"not shown: {line}" for line in power.not_shown]


def _unasked(study: Study) -> tuple[str, ...]:
    """Return what cannot be tested on a model, one line each."""
    lines = []
    if not study.images and len(study.subject.cameras) > 1:
        lines.append(f"single cameras: no input has an axis of {len(study.subject.cameras)} cameras")
    if not study.subject.turned:
        lines.append("the calibration: no input that is used changes with the direction of a camera")
    if study.fixed:
        why = "row counts of this vehicle are in its file"
        lines.append(f"the calibration: the original does not run with its cameras rotated, {why}")
    return tuple(lines)
