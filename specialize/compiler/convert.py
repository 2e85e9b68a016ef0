"""Convert the verified float32 model of a build to another number format, and measure the loss."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import onnx_ir as ir

from specialize.artifact import Build, Manifest, PassNote
from specialize.artifact.build import MODEL
from specialize.artifact.describe import describe_notes, describe_tensor
from specialize.artifact.precision import OutputLoss, Precision, TargetLoss
from specialize.binding.modes import Fed
from specialize.binding.table_program import PROGRAM
from specialize.compiler.generic import PREPARED_WEIGHTS
from specialize.compiler.prove import Shown, compare_frames
from specialize.compiler.specialize import Compilation
from specialize.files.scratch import temporary_folder
from specialize.graph.io import read_graph, write_graph
from specialize.model.spec import ModelSpec
from specialize.precision import noise_warning
from specialize.precision.convert import Converted, beyond_half, convert
from specialize.precision.frames import FrameFolder, frames_digest, open_frames
from specialize.precision.integers import OPERATORS
from specialize.precision.loss import (
    ANYTHING,
    SLACK,
    NotFiniteError,
    allowed,
    measurable,
    measure,
    measure_on_target,
    measured_on,
    runs_here,
)
from specialize.request import BuildRequest
from specialize.targets import target
from specialize.targets.base import BuildFacts, Int8, Toolchain
from specialize.targets.conformance import check, conformance_notes
from specialize.targets.lower import write_files
from specialize.text.progress import Say
from specialize.verify import Frames, TensorInfo, VerifyReport, make_frames, model_inputs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conversion:
    """A requested conversion, whose frames have been checked against the model.

    Attributes:
        name: `fp16` or `int8`.
        target: Name of the toolchain.
        frames: Inputs other than the calibration, frame by frame.
        frames_digest: Digest of the folder of frames; empty for seeded noise.
        fed: Calibration and tables.
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

        progress = _progress(say, self.name)
        wide: frozenset[str] = frozenset()
        made, written = self._written(room, proven, aside / self.name, wide)
        try:
            loss = measure(proven, measurable(written, written.parent), shown, names, progress)
        except NotFiniteError:
            if self.name != "fp16":
                raise
            say("values exceed the range of 16 bits: searching for them")
            wide = beyond_half(proven, shown)
            made, written = self._written(room, proven, aside / f"{self.name}-wide", wide)
            loss = measure(proven, measurable(written, written.parent), shown, names, progress)
        on_target = self._on_target(proven, measurable(written, written.parent), shown, loss, say)
        _hold_constants(room / PROGRAM)
        for name in (MODEL, PREPARED_WEIGHTS):
            (room / name).unlink(missing_ok=True)
            if (written.parent / name).exists():
                shutil.move(written.parent / name, room / name)
        notes = self._finished(made, facts, room)
        precision = self._described(made, wide, loss, on_target)
        flat = self.frames.flat() if isinstance(self.frames, FrameFolder) else ()
        manifest = manifest.extended(notes, _warnings(precision, target(self.target).TOOLCHAIN, made, flat))
        return msgspec.structs.replace(manifest, precision=precision)

    def _on_target(
        self, proven: Path, converted: Path, shown: Shown, loss: dict[str, OutputLoss], say: Say
    ) -> TargetLoss | None:
        """Run a model in 8 bits on the target's own runtime, if that is installed."""
        runtime = target(self.target).TOOLCHAIN.runtime
        if self.name != "int8" or not runs_here(runtime):
            return None

        return measure_on_target(proven, converted, shown, loss, runtime, _progress(say, runtime))

    def _written(
        self, room: Path, proven: Path, folder: Path, wide: frozenset[str]
    ) -> tuple[Converted, Path]:
        """Convert the model of a build into another folder, if the toolchain accepts the result."""
        toolchain = target(self.target).TOOLCHAIN
        made = convert(
            room / MODEL, self.name, int8=toolchain.int8, runnable=proven,
            frames=Shown(self.frames, self.fed.cases), bound=self.fed.cases[0], wide=wide,
        )  # fmt: skip
        check(made.model, toolchain).require_accepted()
        folder.mkdir()
        write_graph(made.model, folder / MODEL, PREPARED_WEIGHTS)
        return made, folder / MODEL

    def _finished(self, made: Converted, facts: BuildFacts, room: Path) -> tuple[PassNote, ...]:
        """Write the toolchain's files for the converted model, and return how the toolchain handles its nodes."""
        report = check(made.model, target(self.target).TOOLCHAIN)
        write_files(made.model, report, room, replace(facts, precision=self.name))
        return describe_notes(conformance_notes(report, f" in {self.name}"))

    def _described(
        self,
        made: Converted,
        wide: frozenset[str],
        loss: dict[str, OutputLoss],
        on_target: TargetLoss | None,
    ) -> Precision:
        int8, integers = target(self.target).TOOLCHAIN.int8, self.name == "int8"
        return Precision(
            name=self.name,
            nodes=made.nodes,
            kept=made.kept,
            wide=len(wide),
            activations=_activations(self.name, int8),
            weights=_weights(self.name, made),
            source=int8.source if integers else "",
            weight_bits=int8.weight_bits if integers else 0,
            weight_bits_source=int8.weight_bits_source if integers else "",
            constant_bytes=made.constant_bytes,
            constant_bytes_float32=made.constant_bytes_float32,
            frames=len(self.frames),
            frames_digest=self.frames_digest,
            outputs=loss,
            measured_on=measured_on("onnxruntime", integers="as written" if integers else ""),
            on_target=on_target,
        )


def _progress(say: Say, candidate: str) -> Callable[[str, int], None]:
    """Return what says which model is measured, the candidate by this name."""
    names = {"candidate": candidate}
    return lambda stage, frame: say(f"measuring: {names.get(stage, 'float32')}, frame {frame + 1}")


def _hold_constants(program: Path) -> None:
    """Let the program that makes tables hold its constants itself: converted weights take the place of its file."""
    if not program.exists():
        return
    model = read_graph(program)
    for value in model.graph.initializers.values():
        if isinstance(value.const_value, ir.ExternalTensor):
            value.const_value = ir.tensor(value.const_value.numpy(), name=value.name)
    write_graph(model, program)


def plan_conversion(request: BuildRequest, compiled: Compilation) -> Conversion | None:
    """Return the conversion of a request after checking every frame, or None for float32.

    Raises:
        InputError: A frame does not fit the model's inputs.
    """
    if request.precision == "float32":
        return None
    fed, spec = compiled.binding.fed, compiled.generic.spec
    wanted = map(describe_tensor, compiled.graph.graph.inputs)
    inputs = {tensor.name: TensorInfo(tensor.shape, tensor.dtype) for tensor in wanted}
    frames = _frames(inputs, spec, fed, request.frames_dir, request.frames, request.seed)
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
    otherwise the outputs only have to be finite. A model in 8 bits runs on its target's own runtime, with that one's
    kernels, where it is installed.
    """
    precision = made.manifest.precision
    assert precision is not None
    judged = bool(precision.frames_digest) == (frames_dir is not None)
    own = target(made.manifest.target).TOOLCHAIN.runtime
    runtime = own if precision.name == "int8" and runs_here(own) else "onnxruntime"
    wanted = model_inputs(made.model, fed.cases[0])
    given = _frames(wanted, spec, fed, frames_dir, frames, 0)
    with temporary_folder("verify") as folder:
        tolerances = {name: allowed(loss) if judged else ANYTHING for name, loss in precision.outputs.items()}
        candidate = measurable(made.model, folder)
        report = compare_frames(original, candidate, spec, fed, given, tolerances, say, runtime)
    return msgspec.structs.replace(report, notes=(*report.notes, _compared(precision, judged)))


def _frames(
    inputs: Mapping[str, TensorInfo], spec: ModelSpec, fed: Fed, folder: Path | None, count: int, seed: int
) -> Frames | FrameFolder:
    """Return the frames of a folder, or seeded ones; calibration and tables are not read from frames."""
    free = {name: info for name, info in inputs.items() if name not in fed.cases[0]}
    if folder is not None:
        given = open_frames(folder, free, {*fed.cases[0], *spec.calibration_inputs, *spec.other_inputs})
        given.require_readable()
        return given
    return make_frames(free, {name: rule for name, rule in spec.inputs.items() if name in free}, seed, count)


def _compared(precision: Precision, judged: bool) -> str:
    head = f"the {precision.name} model of the build is compared with the float32 original"
    if judged:
        return (
            f"{head}: the limit is {SLACK:g} times the loss that the build measured on "
            f"{precision.frames_text}"
        )
    need = "a folder" if precision.frames_digest else "no folder"
    return f"{head} and NOT judged: its loss was measured on frames of {need}, but is compared here on others"


def _activations(name: str, int8: Int8) -> Literal["", "symmetric", "asymmetric"]:
    if name == "fp16":
        return ""
    return "symmetric" if int8.symmetric else "asymmetric"


def _weights(name: str, made: Converted) -> Literal["", "per channel", "per tensor"]:
    if name == "fp16":
        return ""
    return "per channel" if made.per_channel else "per tensor"


def _warnings(
    precision: Precision, toolchain: Toolchain, made: Converted, flat: Collection[str] = ()
) -> list[str]:
    """Return the warnings about a converted model; `flat` are inputs that hold a single number in every frame."""
    name, said = precision.name, []
    if not made.converted:
        what = "only places and geometry" if name == "fp16" else f"no {', '.join(OPERATORS)} to convert"
        said.append(f"{name}: the model has {what}: all of it still computes in float32")
    if not precision.frames_digest:
        said.append(noise_warning(name))
    if flat:
        what = f"{', '.join(flat)}: a single number in every frame of --frames-dir"
        said.append(f"{name}: {what}, so that neither the ranges nor the loss hold for other values")
    if name == "fp16" and "float16" not in toolchain.floats:
        known = f"computes in {' and '.join(toolchain.floats)}: a smaller file, but not a faster model"
        unknown = "may not compute in float16, because no source says that it does: ask the vendor"
        said.append(f"fp16: {toolchain.title} {known if toolchain.ran else unknown}")
    if name == "int8" and toolchain.int8.own:
        said.append(
            f"int8: {toolchain.int8.own}: give it the float32 build; this one only shows the loss of 8 bits"
        )
    if name == "int8" and not toolchain.int8.own and precision.on_target is None:
        why = (
            f"{toolchain.runtime.partition('-')[0]} is not installed"
            if toolchain.runtime
            else "it does not run on this machine"
        )
        said.append(
            f"int8: the loss was measured with ONNX Runtime, as the file is written, and not on {toolchain.title}: "
            f"{why}; its kernels may compute different results: compare outputs there before using this model on a "
            "vehicle"
        )
    if name == "int8" and not made.per_channel:
        said.append(f"int8: opset {toolchain.opset} has one scale per weight tensor, not one per channel")
    return said
