"""A build in another number format: the proven float32 model converted, and what that loses measured."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from specialize.artifact import Build, Manifest, PassNote
from specialize.artifact.build import MODEL
from specialize.artifact.precision import OutputLoss, Precision
from specialize.describe import describe_notes, describe_tensor
from specialize.evidence import Shown, compare_with_original
from specialize.graph.io import write_graph
from specialize.model import ModelSpec
from specialize.modes.binding import Fed
from specialize.precision import noise_warning
from specialize.precision.convert import Converted, beyond_half, convert
from specialize.precision.frames import FrameFolder, frames_digest, open_frames
from specialize.precision.integers import OPERATORS
from specialize.precision.loss import ANYTHING, NotFiniteError, measurable, measure
from specialize.request import BuildRequest
from specialize.sources import PREPARED_WEIGHTS, Say
from specialize.specializing import Compilation
from specialize.targets import target
from specialize.targets.base import BuildFacts, Int8, Profile
from specialize.targets.conformance import check, conformance_notes
from specialize.targets.finish import write_files
from specialize.verify import Frames, TensorInfo, Tolerance, VerifyReport, make_frames, model_inputs
from specialize.verify.tolerance import tolerance_for

SLACK = 2.0
"""Times the measured loss that other frames of the same kind may lose: the largest of many differences varies."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conversion:
    """A conversion that was asked for, its frames known to fit the model.

    Attributes:
        name: `fp16` or `int8`.
        target: Name of the toolchain.
        frames: Inputs that no calibration gives, frame by frame.
        frames_digest: Digest of the frames of a folder; empty if they are seeded noise.
        fed: What is fed beside them.
    """

    name: Literal["fp16", "int8"]
    target: str
    frames: Frames | FrameFolder
    frames_digest: str
    fed: Fed

    def carry_out(
        self, manifest: Manifest, facts: BuildFacts, room: Path, proven: Path, aside: Path, say: Say
    ) -> Manifest:
        """Put the converted model in the place of the float32 one, the toolchain's files too; return the manifest.

        Args:
            manifest: Of the float32 build.
            facts: What files of the toolchain say about it.
            room: Folder of the build.
            proven: The float32 model in a form that ONNX Runtime runs; it may be the model in `room`.
            aside: Folder for files that are not kept.
            say: Says what is done.

        Raises:
            DeclinedError: The toolchain refuses the converted graph.
            VerificationError: An output is NaN or infinite.
        """
        say(f"converting to {self.name}, {len(self.frames)} frames")
        shown, names = Shown(self.frames, self.fed.cases), [tensor.name for tensor in manifest.outputs]

        def progress(stage: str, frame: int) -> None:
            say(f"measuring: {self.name if stage == 'candidate' else 'float32'}, frame {frame + 1}")

        wide: frozenset[str] = frozenset()
        made, written = self._written(room, proven, aside / self.name, wide)
        try:
            loss = measure(proven, measurable(written, written.parent), shown, names, progress)
        except NotFiniteError:
            if self.name != "fp16":
                raise
            say("values leave the range of 16 bits: looking which")
            wide = beyond_half(proven, shown)
            made, written = self._written(room, proven, aside / f"{self.name}-wide", wide)
            loss = measure(proven, measurable(written, written.parent), shown, names, progress)
        for name in (MODEL, PREPARED_WEIGHTS):
            (room / name).unlink(missing_ok=True)
            if (written.parent / name).exists():
                shutil.move(written.parent / name, room / name)
        manifest = manifest.with_passes((*manifest.passes, *self._finished(made, facts, room)))
        precision = self._described(made, wide, loss)
        warnings = (
            *manifest.warnings,
            *_warnings(self.name, target(self.target).PROFILE, made, self.frames_digest),
        )
        return msgspec.structs.replace(manifest, precision=precision, warnings=warnings)

    def _written(
        self, room: Path, proven: Path, folder: Path, wide: frozenset[str]
    ) -> tuple[Converted, Path]:
        """Convert the model of a build into another folder, if the toolchain takes the result."""
        profile = target(self.target).PROFILE
        made = convert(
            room / MODEL, self.name, int8=profile.int8, runnable=proven,
            frames=Shown(self.frames, self.fed.cases), bound=self.fed.cases[0], wide=wide,
        )  # fmt: skip
        check(made.model, profile).require_accepted()
        folder.mkdir()
        write_graph(made.model, folder / MODEL, PREPARED_WEIGHTS)
        return made, folder / MODEL

    def _finished(self, made: Converted, facts: BuildFacts, room: Path) -> tuple[PassNote, ...]:
        """Write the toolchain's files for the converted model; return what the toolchain does with its nodes."""
        write_files(made.model, self.target, room, replace(facts, precision=self.name))
        report = check(made.model, target(self.target).PROFILE)
        return describe_notes(conformance_notes(report, f" in {self.name}"))

    def _described(self, made: Converted, wide: frozenset[str], loss: dict[str, OutputLoss]) -> Precision:
        int8 = target(self.target).PROFILE.int8
        return Precision(
            name=self.name,
            nodes=made.nodes,
            kept=made.kept,
            wide=len(wide),
            activations=_activations(self.name, int8),
            weights=_weights(self.name, made),
            source=int8.source if self.name == "int8" else "",
            constant_bytes=made.constant_bytes,
            constant_bytes_float32=made.constant_bytes_float32,
            frames=len(self.frames),
            frames_digest=self.frames_digest,
            outputs=loss,
        )


def plan_conversion(request: BuildRequest, compiled: Compilation) -> Conversion:
    """Return the conversion that a request asks for, after a look at every frame.

    Raises:
        InputError: A frame is not what the model wants.
    """
    assert request.precision != "float32"
    fed, spec = compiled.binding.fed, compiled.generic.spec
    inputs = {
        tensor.name: TensorInfo(tensor.shape, tensor.dtype)
        for tensor in map(describe_tensor, compiled.graph.graph.inputs)
    }
    frames = _frames(inputs, spec, fed, request.frames_dir, request.frames, request.seed)
    if isinstance(frames, FrameFolder):
        frames.require_readable()
    return Conversion(
        name=request.precision,
        target=request.target,
        frames=frames,
        frames_digest=frames_digest(request.frames_dir) if request.frames_dir else "",
        fed=fed,
    )


def verify_converted(
    made: Build, original: Path, spec: ModelSpec, fed: Fed, frames: int, frames_dir: Path | None, say: Say
) -> VerifyReport:
    """Compare the converted model of a build with the float32 original.

    What is allowed is `SLACK` times the loss that the build measured, if it was measured on frames of that kind;
    otherwise the outputs only have to be finite.
    """
    precision = made.manifest.precision
    assert precision is not None
    judged = bool(precision.frames_digest) == (frames_dir is not None)
    wanted = model_inputs(made.model)
    given = _frames(wanted, spec, fed, frames_dir, frames, 0)
    with tempfile.TemporaryDirectory(prefix="specialize-verify-") as folder:
        report = compare_with_original(
            original, measurable(made.model, Path(folder)), spec, fed, len(given), 0, say,
            tolerances={name: _allowed(precision, name, judged) for name in precision.outputs},
            given=given,
        )  # fmt: skip
    return replace(report, notes=(*report.notes, _compared(precision, judged)))


def _frames(
    inputs: Mapping[str, TensorInfo], spec: ModelSpec, fed: Fed, folder: Path | None, count: int, seed: int
) -> Frames | FrameFolder:
    """Return the frames of a folder, or seeded ones; what calibration and tables give is not asked for."""
    free = {name: info for name, info in inputs.items() if name not in fed.cases[0]}
    if folder is not None:
        return open_frames(folder, free, {*fed.cases[0], *spec.calibration_inputs, *spec.other_inputs})
    return make_frames(free, {name: rule for name, rule in spec.inputs.items() if name in free}, seed, count)


def _allowed(precision: Precision, name: str, judged: bool) -> Tolerance:
    if not judged:
        return ANYTHING
    rounding = tolerance_for(name, np.dtype(np.float32), {})
    return replace(rounding, atol=rounding.atol + SLACK * precision.outputs[name].max_abs)


def _compared(precision: Precision, judged: bool) -> str:
    head = f"the {precision.name} model of the build is compared with the float32 original"
    if judged:
        return (
            f"{head}: allowed is {SLACK:g} times the loss that the build measured on {precision.frames_text}"
        )
    need = "a folder" if precision.frames_digest else "no folder"
    return f"{head} and NOT judged: its loss was measured on frames of {need}, which is not what is compared here"


def _activations(name: str, int8: Int8) -> Literal["", "symmetric", "asymmetric"]:
    if name == "fp16":
        return ""
    return "symmetric" if int8.symmetric else "asymmetric"


def _weights(name: str, made: Converted) -> Literal["", "per channel", "per tensor"]:
    if name == "fp16":
        return ""
    return "per channel" if made.per_channel else "per tensor"


def _warnings(name: str, profile: Profile, made: Converted, digest: str) -> list[str]:
    """Return what a user must know before he uses a converted model."""
    said = []
    if not made.converted:
        what = (
            "nothing but places and geometry" if name == "fp16" else f"no {', '.join(OPERATORS)} to convert"
        )
        said.append(f"{name}: the model has {what}: all of it still computes in float32")
    if not digest:
        said.append(noise_warning(name))
    if name == "fp16" and "float16" not in profile.floats:
        known = f"computes in {' and '.join(profile.floats)}: a smaller file, no faster run"
        unknown = "may not compute in float16, no source says that it does: ask the vendor"
        said.append(f"fp16: {profile.title} {known if profile.ran else unknown}")
    if name == "int8" and profile.int8.own:
        said.append(
            f"int8: {profile.int8.own}: give it the float32 build; this one only shows what 8 bits lose"
        )
    if name == "int8" and not made.per_channel:
        said.append(f"int8: opset {profile.opset} has one scale per weight tensor, not one per channel")
    return said
