"""Define the build key: everything that can change a byte of a build, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, field, replace

from specialize.digest import digest
from specialize.version import code_version

_SCHEMA = "specialize/key@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildKey:
    """The inputs of one build; equal keys give equal bytes.

    Attributes:
        vehicle: Name of the vehicle, which the manifest and the model's metadata carry.
        profile: Digest of the calibration profile.
        calibration: Digest of what the model's calibration inputs get.
        model: Digest of the generic model, graph and weights.
        name: Name of the model, which the manifest and the model's metadata carry.
        spec: Digest of the model's sidecar.
        target: Toolchain that the model is lowered for.
        mode: `exact`, `envelope` or `tables`.
        layout: `ragged` or `padded`.
        align: Lengths are rounded up to a multiple of this.
        attention: How deformable attention is written; empty for the target's own form.
        precision: `float32`, or the number format that the proven model is converted to.
        frames_digest: Digest of the frames of a folder that the conversion uses; empty without.
        tolerance: Canonical text of the envelope's tolerance; empty without one.
        envelope_over: Digests of the profiles that the envelope covers, in order.
        count_outside: Whether an output counts the pairs that are visible outside of the envelope.
        capacity: Canonical text of the table capacity; empty without one.
        capacity_over: Digests of the profiles that tables have room for, in order.
        frames: Number of frames that verification compares.
        seed: Seed of the frames.
        allow_unchanged: Whether a model with nothing to specialize is built all the same.
        keep_every_site: Whether a site is rewritten even if that costs more.
        bake_lenses: Whether lenses take the place of the model's matrices.
        allow: What a person accepts with `--allow`, sorted.
        compiler: Version of this package and digest of its code.
    """

    vehicle: str
    profile: str
    calibration: str
    model: str
    spec: str
    name: str = ""
    target: str = "onnxruntime"
    mode: str = "exact"
    layout: str = "ragged"
    align: int = 1
    attention: str = ""
    precision: str = "float32"
    frames_digest: str = ""
    tolerance: str = ""
    envelope_over: tuple[str, ...] = ()
    count_outside: bool = False
    capacity: str = ""
    capacity_over: tuple[str, ...] = ()
    frames: int = 0
    seed: int = 0
    allow_unchanged: bool = False
    keep_every_site: bool = False
    bake_lenses: bool = False
    allow: tuple[str, ...] = ()
    compiler: str = field(default_factory=code_version)

    def digest(self) -> str:
        """Return the digest that names the build."""
        return digest((_SCHEMA, *astuple(self)))

    def identity(self) -> BuildKey:
        """Return the part of the key that builds share if they are interchangeable.

        An engine with tables serves every vehicle, whichever it was made with.
        """
        return replace(self, vehicle="", profile="", calibration="") if self.mode == "tables" else self

    def to_json(self) -> dict[str, object]:
        """Return plain values, as the manifest keeps them."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }
