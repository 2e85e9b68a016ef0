"""Run two models on the same frames, one after the other, and compare every output.

Only one model is open at a time, so that the peak memory is that of the larger one. The original's outputs are kept in
memory while they are small, and in a temporary directory beyond that.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from specialize.errors import InputError, VerificationError
from specialize.evidence.at_sites import AtSites
from specialize.evidence.comparison import OutputReport, VerifyReport
from specialize.evidence.power import Conditioning, Power
from specialize.evidence.tolerance import Tolerance
from specialize.verify.compare import compare_arrays, merge
from specialize.verify.conditioning import Bound, conditioning_of, given
from specialize.verify.either import Unsettled, nearer
from specialize.verify.frames import Frames
from specialize.verify.kept import Kept
from specialize.verify.pieces import open_reference
from specialize.verify.runtime import RunError, Runner, open_model
from specialize.verify.tolerance import tolerance_for

Progress = Callable[[str, int], None]
Opened = Callable[[Path, str, int], Runner]
"""Opens a model on a runtime, with a number of threads within an operator."""
Arrays = Mapping[str, np.ndarray]


def compare_models(
    reference_path: Path,
    candidate_path: Path,
    frames: Sequence[Arrays] | Frames,
    tolerances: Mapping[str, Tolerance] | None = None,
    *,
    constants: Arrays | None = None,
    candidate_constants: Arrays | None = None,
    extra_outputs: Arrays | None = None,
    runtime: str = "onnxruntime",
    reference_runtime: str = "onnxruntime",
    threads: int = 2,
    progress: Callable[[str, int], None] = lambda stage, frame: None,
) -> VerifyReport:
    """Compare a specialized model with the original on every frame and every output.

    Args:
        reference_path: The original; it may still have calibration inputs.
        candidate_path: The specialized model.
        frames: Inputs by name, frame by frame; iterated twice (`make_frames` makes them).
        tolerances: By output name; the table by dtype holds for the others.
        constants: Inputs that are the same in every frame (the calibration); each model takes what it has.
        candidate_constants: Inputs of the specialized model alone: index tables.
        extra_outputs: Outputs of the specialized model alone, and what each must be in every frame.
        runtime: Runtime of the specialized model, a key of `RUNTIMES`.
        reference_runtime: Runtime of the original.
        threads: Threads within an operator.
        progress: Called with `reference` or `candidate` and the frame's number before each run.

    Raises:
        InputError: The original does not open or lacks an input.
        VerificationError: The specialized model does not open or does not run.
    """
    shared = dict(constants or {})
    chosen = tolerances or {}
    with Kept() as kept:
        run_reference(reference_path, (reference_runtime, threads), _fed(frames, shared), kept, progress)
        bounds = {
            name: given(tolerance_for(name, kept.get(0, name).dtype, chosen))
            for name in (kept.names if kept.frames else ())
        }
        own = {**shared, **(candidate_constants or {})}
        compared = run_candidate(
            candidate_path, (runtime, threads), _fed(frames, own), kept, bounds, extra_outputs or {}, progress
        )
    return compared.report((runtime, reference_runtime), kept.frames, repeated(kept), None)


@dataclass(frozen=True, slots=True)
class JudgedOutput:
    """One output, and what it was judged by.

    Attributes:
        report: How it compares.
        conditioning: How its bound follows from the original's own noise; None if a caller gave it.
        remark: That it is ill-conditioned, if that mattered.
    """

    report: OutputReport
    conditioning: Conditioning | None
    remark: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Result of running the specialized model.

    Attributes:
        outputs: Every comparable output by name, in order.
        problems: What is not comparable.
        kernels: Kernels of 8 bits that ran.
    """

    outputs: Mapping[str, JudgedOutput]
    problems: tuple[str, ...]
    kernels: tuple[str, ...]

    def report(
        self,
        runtimes: tuple[str, str],
        frames: int,
        notes: tuple[str, ...],
        power: Power | None,
        at: AtSites | None = None,
    ) -> VerifyReport:
        """Return the report; the runtimes are those of the specialized model and of the original.

        A proof at the sites says what it rests on with `at`.
        """
        reports = {name: output.report for name, output in self.outputs.items()}
        equal = all(report.passed for report in reports.values())
        return VerifyReport(
            passed=frames > 0 and len(reports) > 0 and not self.problems and equal,
            proof="whole" if at is None else "sites",
            at=at,
            runtime=runtimes[0],
            reference_runtime=runtimes[1],
            frames=frames,
            outputs=reports,
            problems=self.problems,
            notes=notes,
            power=power,
            kernels=self.kernels,
        )


def _fed(frames: Iterable[Arrays], constants: Arrays) -> Iterable[dict[str, np.ndarray]]:
    return ({**constants, **frame} for frame in frames)


def run_reference(
    path: Path,
    how: tuple[str, int],
    feeds: Iterable[Arrays],
    kept: Kept,
    progress: Progress,
    opened: Opened = open_reference,
) -> None:
    """Run the original on every frame and keep its outputs.

    Args:
        path: The original.
        how: Its runtime, and threads within an operator.
        feeds: Inputs by name, frame by frame.
        kept: Takes the outputs.
        progress: Called before each run.
        opened: Opens the model.
    """
    runner = opened(path, *how)
    for frame, feed in enumerate(feeds):
        progress("reference", frame)
        kept.put(frame, runner.run(feed))
    kept.names = runner.outputs
    del runner
    gc.collect()


def run_candidate(
    path: Path,
    how: tuple[str, int],
    feeds: Iterable[dict[str, np.ndarray]],
    kept: Kept,
    bounds: Mapping[str, Bound],
    extra: Arrays,
    progress: Progress,
    either: Kept | None = None,
) -> Compared:
    """Run the specialized model on every frame and compare every output.

    Args:
        path: The specialized model.
        how: Its runtime, and threads within an operator.
        feeds: Inputs by name, frame by frame.
        kept: The original's outputs.
        bounds: What each output is judged by.
        extra: Outputs of the specialized model alone, and what each must be in every frame.
        progress: Called before each run.
        either: The original's outputs in another order of sums, if the specialized model may equal these as well.
    """
    runner = _open_candidate(path, how)
    problems = _name_problems((*kept.names, *extra), runner.outputs)
    judged: dict[str, Judging] = {}
    compared = 0
    for frame, feed in enumerate(feeds):
        compared += 1
        progress("candidate", frame)
        outputs = _call(runner, feed, frame)
        problems.extend(_extra_problems(extra, outputs, frame))
        for name in (name for name in kept.names if name in outputs):
            wanted, got = kept.get(frame, name), outputs[name]
            if (wanted.shape, wanted.dtype) != (got.shape, got.dtype):
                problems.append(
                    f"output {name!r} is {_kind(got)} instead of {_kind(wanted)} in frame {frame}"
                )
                continue
            other = wanted if either is None else either.get(frame, name)
            judged.setdefault(name, Judging(bounds[name])).add(wanted, got, frame, other)
    if compared != kept.frames:
        problems.append(f"{kept.frames} frames of the original, {compared} of the specialized model")
    reports = {name: judged[name].output() for name in kept.names if name in judged}
    return Compared(reports, tuple(problems), runner.kernels)


class Judging:
    """One output, judged by its strict bound and its wide one; of a single frame, added `once`, only if need be."""

    def __init__(self, bound: Bound, once: bool = False) -> None:
        self._bound = bound
        self._once = once
        self._reports: dict[Tolerance, OutputReport] = {}
        self._unsettled = Unsettled()

    def add(self, wanted: np.ndarray, got: np.ndarray, frame: int, other: np.ndarray) -> None:
        """Compare a frame; `other` is what the output may equal as well where that differs from `wanted`."""
        self._unsettled.of += wanted.size
        if other is not wanted:
            wanted, values = nearer(wanted, other, got, self._bound.strict)
            self._unsettled.values += values
        for tolerance in dict.fromkeys((self._bound.strict, self._bound.wide)):
            if self._once and any(report.passed for report in self._reports.values()):
                break
            report = compare_arrays(wanted, got, tolerance, frame)
            known = self._reports.get(tolerance)
            self._reports[tolerance] = merge(known, report) if known else report

    def output(self) -> JudgedOutput:
        """Return the report by the strict bound, or by the wide one if the strict one is exceeded."""
        bound = self._bound
        report = self._reports[bound.strict]
        if not report.passed and bound.lenient:
            report = self._reports[bound.wide]
        if not (self._unsettled.few or bound.allowed):
            reason = "values differ between two orders of sums of the original itself"
            found = f"{self._unsettled.values:,} of {self._unsettled.of:,} {reason}: too many to compare the others"
            report = msgspec.structs.replace(report, passed=False, reason=found)
        judged_wide = report.tolerance != bound.strict
        rounding = bound.remark if judged_wide or not report.passed else ""
        remark = self._unsettled.remark or rounding
        conditioning = conditioning_of(bound, report.tolerance, self._unsettled.values)
        return JudgedOutput(report, conditioning, remark)


def _open_candidate(path: Path, how: tuple[str, int]) -> Runner:
    try:
        return open_model(path, *how)
    except InputError as error:
        raise VerificationError("specialized model", error.expected, error.found) from error


def _call(runner: Runner, feed: dict[str, np.ndarray], frame: int) -> dict[str, np.ndarray]:
    try:
        return runner.run(feed)
    except RunError as error:
        raise VerificationError(f"specialized model, frame {frame}", error.expected, error.found) from error
    except InputError as error:
        raise VerificationError("specialized model: inputs", error.expected, error.found) from error


def _name_problems(wanted: tuple[str, ...], got: tuple[str, ...]) -> list[str]:
    missing = [f"output {name!r} is missing" for name in wanted if name not in got]
    return missing + [f"output {name!r} is not in the original" for name in got if name not in wanted]


def _extra_problems(extra: Arrays, outputs: Arrays, frame: int) -> list[str]:
    """Report outputs that only the specialized model has and that do not have the required value."""
    return [
        f"output {name!r} is {outputs[name].tolist()} instead of {wanted.tolist()} in frame {frame}"
        for name, wanted in extra.items()
        if name in outputs and not np.array_equal(outputs[name], wanted)
    ]


def repeated(kept: Kept) -> tuple[str, ...]:
    """Report outputs that prove little: the same in every frame although the inputs differ."""
    if kept.frames < 2:
        return ()
    same = (name for name in kept.names if len(kept.marks[name]) == 1)
    return tuple(
        f"output {name!r} is the same in every frame, so that its equality proves little" for name in same
    )


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype.name}{list(array.shape)}"
