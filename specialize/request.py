"""Define requests and outcomes: the values between the command line and the compiler."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from specialize.artifact.manifest import Manifest
from specialize.artifact.measured import Measured
from specialize.calibration.delta import ProfileDelta
from specialize.calibration.off import off_options
from specialize.errors import UsageError, closest
from specialize.evidence.power import OF_A_PROOF
from specialize.evidence.tuned import Tuning
from specialize.plausibility.fit import require_known_codes
from specialize.targets import TARGETS
from specialize.text.terminal import CommandLine

Mode = Literal["exact", "envelope", "tables"]
Layout = Literal["ragged", "padded"]
Precision = Literal["float32", "fp16", "int8"]
Proofs = Literal["auto", "whole", "sites"]

MODES: tuple[str, ...] = get_args(Mode)
LAYOUTS: tuple[str, ...] = get_args(Layout)
PRECISIONS: tuple[str, ...] = get_args(Precision)
PROOFS: tuple[str, ...] = get_args(Proofs)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """Options that a single build and a fleet's builds have in common.

    Attributes:
        model: Name of a built-in model, or path of an ONNX file.
        checkpoint: Weights of a built-in model; seeded weights by default.
        model_spec: Sidecar of an ONNX file; by default `my.model.yaml` next to `my.onnx`.
        target: Toolchain to lower for.
        attention: How deformable attention is written; by default the target's own form.
        layout: How visible pairs are laid out.
        align: Row counts are rounded up to a multiple of this.
        seed: Seed of weights without a checkpoint, and of verification frames.
        frames: Number of frames that verification compares.
        precision: Number format that the verified model is converted to.
        frames_dir: Frames from which a conversion takes its ranges and on which its loss is measured; by default seeded
            noise.
        allow: Codes of errors despite which builds are made.
        proof: What is compared with the original: everything (`whole`), or what the calibration can change (`sites`),
            on values that an earlier build recorded; `auto` takes the second if the store has them.
    """

    model: str = "bevformer_tiny"
    checkpoint: Path | None = None
    model_spec: Path | None = None
    target: str = "onnxruntime"
    attention: str = ""
    layout: Layout = "ragged"
    align: int = 1
    seed: int = 0
    frames: int = 4
    precision: Precision = "float32"
    frames_dir: Path | None = None
    allow: tuple[str, ...] = ()
    proof: Proofs = "auto"

    def __post_init__(self) -> None:
        """Reject invalid combinations of options.

        Raises:
            UsageError: An option has a value that does not exist.
        """
        require_choice("--proof", self.proof, PROOFS)
        require_choice("--layout", self.layout, LAYOUTS)
        require_choice("--target", self.target, tuple(TARGETS))
        require_choice("--precision", self.precision, PRECISIONS)
        if self.frames_dir is not None and self.precision == "float32":
            hint = "remove it, or add --precision"
            raise UsageError("--frames-dir", "--precision fp16 or int8", "--precision float32", hint)
        for name, number, least in (
            ("--align", self.align, 1),
            ("--frames", self.frames, 1),
            ("--seed", self.seed, 0),
        ):
            if number < least:
                raise UsageError(name, f"a number of at least {least}", str(number))

    def in_key(self) -> dict[str, Any]:
        """Return the options that are fields of a build's key as they are; files count by their content."""
        names = ("target", "attention", "layout", "align", "precision", "frames", "seed")
        options = {name: getattr(self, name) for name in names}
        return options | {"allow": tuple(sorted(set(self.allow)))}


def require_choice(option: str, value: str, known: tuple[str, ...]) -> None:
    """Reject a value that an option does not have.

    Raises:
        UsageError: It is not one of the known values; the error suggests the closest.
    """
    if value not in known:
        raise UsageError(option, f"one of {', '.join(known)}", repr(value), closest(value, known))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest(BuildOptions):
    """Request for one build.

    Attributes:
        calib: Calibration profile.
        mode: How calibration is bound.
        output: Directory of the build; by default `build/<vehicle>`.
        tolerance: `rotation=0.5deg,translation=3cm,...` for an envelope.
        envelope_over: Additional profiles that an envelope covers, and folders of them.
        count_outside: Add an output to an envelope's model that counts the pairs visible outside.
        capacity: Capacity of tables: `auto`, a number, or one number per camera.
        capacity_over: Additional profiles that tables have room for, and folders of them.
        allow_unchanged: Build a model even if there is nothing to specialize in it.
        keep_every_site: Rewrite a site even if that costs more operations and bytes than it saves.
        replace: Whether the build may replace a build of another model.
        measure: Whether to time original and specialized model once; no byte of the build depends on it.
        bake_lenses: Whether the cameras' lenses take the place of the model's matrices, which makes it another model.
        record: Whether a whole proof leaves in the store what later builds are proven with at the sites.
        for_store: Whether the folder is moved into a store at once. The store has the weights of the model, so that it
            goes without them; and what makes it last is that store.
        without: Cameras that are taken off; they count in the key by the profile's digest.
        tune: Whether to measure which formulation of attention is quickest here; it then counts in the key as
            `attention`.
    """

    calib: Path
    mode: Mode = "exact"
    output: Path | None = None
    tolerance: str | None = None
    envelope_over: tuple[Path, ...] = ()
    count_outside: bool = False
    capacity: str | None = None
    capacity_over: tuple[Path, ...] = ()
    allow_unchanged: bool = False
    keep_every_site: bool = False
    replace: bool = False
    measure: bool = False
    bake_lenses: bool = False
    record: bool = False
    for_store: bool = False
    without: tuple[str, ...] = ()
    tune: bool = False

    @property
    def leaves_weights(self) -> bool:
        """Whether the folder goes without weights; those that are converted belong to the build alone."""
        return self.for_store and self.precision == "float32"

    def __post_init__(self) -> None:
        """Reject invalid combinations of options.

        Raises:
            UsageError: An option has a value that does not exist, or belongs to another mode.
        """
        require_choice("--mode", self.mode, MODES)
        BuildOptions.__post_init__(self)
        require_known_codes(self.allow, OF_A_PROOF)
        if self.tune and self.attention:
            hint = "the measurement chooses the form: remove one of the two"
            raise UsageError("--tune", "no --attention", f"--attention {self.attention}", hint)
        self._check_modes()

    def _check_modes(self) -> None:
        """Reject options of another mode, because they would have no effect, and lenses in an envelope.

        Raises:
            UsageError: There is one.
        """
        if self.mode != "exact" and (self.proof == "sites" or self.record):
            option = "--record" if self.record else "--proof sites"
            hint = f"other modes are proven whole, once for many vehicles: remove {option}"
            raise UsageError(option, "--mode exact", f"--mode {self.mode}", hint)
        if self.bake_lenses and self.mode == "envelope":
            hint = "the graph has no lens that could follow a calibration within a tolerance"
            raise UsageError("--bake-lenses", "--mode exact or tables", "--mode envelope", hint)
        owners: dict[str, dict[str, object]] = {
            "envelope": {
                "--tolerance": self.tolerance,
                "--envelope-over": self.envelope_over,
                "--count-outside": self.count_outside,
            },
            "tables": {"--capacity": self.capacity, "--capacity-over": self.capacity_over},
        }
        for mode, values in owners.items():
            for name, value in values.items():
                if value and self.mode != mode:
                    raise UsageError(
                        name,
                        f"--mode {mode}",
                        f"--mode {self.mode}",
                        f"remove {name}, or add --mode {mode}",
                    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOutcome:
    """Result of a build.

    Attributes:
        build_dir: Directory of the build.
        up_to_date: Whether it already existed, made from the same key.
        manifest: Its manifest.
        seconds: Wall time by stage, in order; empty if nothing was done.
        warnings: Warnings about this run, in addition to the manifest's.
        measured: Time and memory of the original and the specialized model on this machine, if they were measured.
        tuning: How the formulation of attention was chosen, if it was by measurement.
    """

    build_dir: Path
    up_to_date: bool
    manifest: Manifest
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    measured: Measured | None = None
    tuning: Tuning | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryChange:
    """How the visible queries of one camera differ, over all grids of the model.

    Attributes:
        gained: Seen now, not before.
        lost: Seen before, not now.
        kept: Seen before and now.
    """

    gained: int
    lost: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOutcome:
    """How two calibrations differ, for one model's geometry.

    Attributes:
        before: Where the first comes from: a build or a profile.
        after: Where the second comes from.
        model: Name of the model whose queries are counted.
        digests: Profile digests, first and second.
        fresh: Whether what was built for the first may be used for the second.
        verdict: `same`, `other numbers` (the same queries), `other queries` or `other cameras`; of an envelope's build
            `inside envelope` or `outside envelope`; of a build with tables `other table` or `beyond capacity`.
        delta: What moved, camera by camera.
        queries: One entry per camera of `delta`; empty if the cameras themselves differ.
        outside: Of an envelope's build the queries that each camera sees outside, of a build with tables those beyond
            the capacity; empty otherwise.
        vehicles: Names of the two vehicles.
        again: How to make the build again for the second; None without a build.
        allowed: What was accepted with `--allow` when the first was built.
        state: What the guard on the vehicle says of the second, for a build; empty if no contract can hold the build.
        reason: Why the second is unusable, in the guard's word; empty if it is not.
        off: Cameras that are off in the first and in the second.
    """

    before: Path
    after: Path
    model: str
    digests: tuple[str, str]
    fresh: bool
    verdict: str
    delta: ProfileDelta
    queries: tuple[QueryChange, ...] = ()
    outside: tuple[int, ...] = ()
    vehicles: tuple[str, str] = ("", "")
    again: CommandLine | None = None
    allowed: tuple[str, ...] = ()
    state: str = ""
    reason: str = ""
    off: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def switched(self, to: int) -> tuple[str, ...]:
        """Return the cameras that are off on this side, 0 or 1, and not on the other."""
        return tuple(name for name in self.off[to] if name not in self.off[1 - to])

    def next_command(self) -> CommandLine:
        """Return the command that makes the build serve the second; without words if there is none."""
        if self.verdict == "other table":
            profile: tuple[str | Path, ...] = ("--calib", Path(self.after), *off_options(self.off[1]))
            build = ("--for", Path(self.before))
            return CommandLine(("specialize", "table", *profile, *build, "-o", "car.safetensors"))
        return self.again or CommandLine(())
