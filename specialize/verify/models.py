"""Run two models on the same frames, one after the other, and compare every output.

Only one model is open at a time, so that the peak memory is that of the larger one. The original's outputs
are kept in memory up to `_KEEP_BYTES`, beyond that in a temporary directory.
"""

from __future__ import annotations

import gc
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from specialize.errors import InputError, VerificationError
from specialize.verify.compare import compare_arrays, merge
from specialize.verify.frames import Frames
from specialize.verify.report import OutputReport, VerifyReport
from specialize.verify.runtime import Runner, open_model
from specialize.verify.tolerance import Tolerance, tolerance_for

_KEEP_BYTES = 512 * 2**20

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
    with _Kept() as kept:
        names = _run_reference(
            reference_path, (reference_runtime, threads), _fed(frames, shared), kept, progress
        )
        own = {**shared, **(candidate_constants or {})}
        extra = dict(extra_outputs or {})
        compared = _run_candidate(
            candidate_path,
            (runtime, threads),
            _fed(frames, own),
            kept,
            names,
            tolerances or {},
            extra,
            progress,
        )
        notes = _notes(kept, names)
    ordered = tuple(compared.outputs[name] for name in names if name in compared.outputs)
    problems = tuple(compared.problems)
    return VerifyReport(runtime, reference_runtime, kept.frames, ordered, problems, notes, compared.kernels)


@dataclass(frozen=True, slots=True)
class _Compared:
    """One report per comparable output, what is not comparable, and the kernels of 8 bits that ran."""

    outputs: dict[str, OutputReport]
    problems: list[str]
    kernels: tuple[str, ...]


@dataclass(slots=True)
class _Kept:
    """The original's outputs, frame by frame: in memory while they are small, then on disk."""

    arrays: dict[tuple[int, str], np.ndarray | Path] = field(default_factory=dict)
    marks: dict[str, set[int]] = field(default_factory=dict)
    frames: int = 0
    bytes: int = 0
    folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder is not None:
            self.folder.cleanup()

    def put(self, frame: int, outputs: Arrays) -> None:
        self.frames = frame + 1
        for number, (name, array) in enumerate(outputs.items()):
            self.marks.setdefault(name, set()).add(zlib.crc32(np.ascontiguousarray(array).tobytes()))
            self.bytes += array.nbytes
            self.arrays[frame, name] = (
                array if self.bytes <= _KEEP_BYTES else self._spill(frame, number, array)
            )

    def get(self, frame: int, name: str) -> np.ndarray:
        kept = self.arrays[frame, name]
        return np.load(kept) if isinstance(kept, Path) else kept

    def _spill(self, frame: int, number: int, array: np.ndarray) -> Path:
        if self.folder is None:
            self.folder = tempfile.TemporaryDirectory(prefix="specialize-verify-")
        path = Path(self.folder.name) / f"{frame}_{number}.npy"
        np.save(path, array)
        return path


def _fed(frames: Iterable[Arrays], constants: Arrays) -> Iterable[dict[str, np.ndarray]]:
    return ({**constants, **frame} for frame in frames)


def _run_reference(
    path: Path,
    how: tuple[str, int],
    feeds: Iterable[dict[str, np.ndarray]],
    kept: _Kept,
    progress: Callable[[str, int], None],
) -> tuple[str, ...]:
    """Run the original on every frame, keep its outputs, and return their names in order."""
    runner = open_model(path, *how)
    for frame, feed in enumerate(feeds):
        progress("reference", frame)
        kept.put(frame, runner.run(feed))
    names = runner.outputs
    del runner
    gc.collect()
    return names


def _run_candidate(
    path: Path,
    how: tuple[str, int],
    feeds: Iterable[dict[str, np.ndarray]],
    kept: _Kept,
    names: tuple[str, ...],
    tolerances: Mapping[str, Tolerance],
    extra: Arrays,
    progress: Callable[[str, int], None],
) -> _Compared:
    """Run the specialized model on every frame and compare every output."""
    runner = _open_candidate(path, how)
    problems = _name_problems((*names, *extra), runner.outputs)
    reports: dict[str, OutputReport] = {}
    compared = 0
    for frame, feed in enumerate(feeds):
        compared += 1
        progress("candidate", frame)
        outputs = _call(runner, feed, frame)
        problems.extend(_extra_problems(extra, outputs, frame))
        for name in (name for name in names if name in outputs):
            wanted, got = kept.get(frame, name), outputs[name]
            if (wanted.shape, wanted.dtype) != (got.shape, got.dtype):
                problems.append(
                    f"output {name!r} is {_kind(got)} instead of {_kind(wanted)} in frame {frame}"
                )
                continue
            report = compare_arrays(name, wanted, got, tolerance_for(name, wanted.dtype, tolerances), frame)
            reports[name] = merge(reports[name], report) if name in reports else report
    if compared != kept.frames:
        problems.append(f"{kept.frames} frames of the original, {compared} of the specialized model")
    return _Compared(reports, problems, runner.kernels)


def _open_candidate(path: Path, how: tuple[str, int]) -> Runner:
    try:
        return open_model(path, *how)
    except InputError as error:
        raise VerificationError("specialized model", error.expected, error.found) from error


def _call(runner: Runner, feed: dict[str, np.ndarray], frame: int) -> dict[str, np.ndarray]:
    try:
        return runner.run(feed)
    except InputError as error:
        raise VerificationError("specialized model: inputs", error.expected, error.found) from error
    except Exception as error:
        raise VerificationError(
            f"specialized model, frame {frame}", "a run without error", str(error)
        ) from error


def _name_problems(wanted: tuple[str, ...], got: tuple[str, ...]) -> list[str]:
    missing = [f"output {name!r} is missing" for name in wanted if name not in got]
    return missing + [f"output {name!r} is not in the original" for name in got if name not in wanted]


def _extra_problems(extra: Arrays, outputs: Arrays, frame: int) -> list[str]:
    """Say which outputs that only the specialized model has are not what they must be."""
    return [
        f"output {name!r} is {outputs[name].tolist()} instead of {wanted.tolist()} in frame {frame}"
        for name, wanted in extra.items()
        if name in outputs and not np.array_equal(outputs[name], wanted)
    ]


def _notes(kept: _Kept, names: tuple[str, ...]) -> tuple[str, ...]:
    """Say which outputs prove little: the same in every frame although the inputs differ."""
    if kept.frames < 2:
        return ()
    same = (name for name in names if len(kept.marks[name]) == 1)
    return tuple(f"output {name!r} is the same in every frame: equality says little" for name in same)


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype.name}{list(array.shape)}"
