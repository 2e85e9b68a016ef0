"""Define the manifest's record of a conversion to another number format than float32."""

from __future__ import annotations

from typing import Literal

from specialize.digest import short
from specialize.text.record import Figure, Record


class OutputLoss(Record, frozen=True, kw_only=True):
    """How far one output is from float32, over all frames.

    Attributes:
        max_abs: Largest absolute difference.
        max_rel: Largest difference relative to the element's scale (its value, or its row and column); `inf` where
            float32 gives zeros.
        cosine: Smallest cosine similarity of a whole frame.
        frame: Frame of the largest difference, relative to the element's scale.
        index: Its index in the output.
    """

    max_abs: float
    max_rel: Figure
    cosine: float
    frame: int
    index: tuple[int, ...]


class MeasuredOn(Record, frozen=True, kw_only=True):
    """What a loss was measured on: evidence of the build, not part of its key.

    Attributes:
        runtime: `onnxruntime` or `openvino`.
        version: Its version.
        integers: Of `int8`: `as written` if each pair was computed in float32, `kernels` if the runtime's kernels of 8
            bits ran; else empty.
        kernels: Kernels of 8 bits, where the runtime names them; an instruction set is part of their names.
        architecture: Of the processor, as `x86_64`.
        features: Those of its features that decide how integers and short floats are computed, as `avx512_vnni`.
    """

    runtime: str
    version: str
    integers: Literal["", "as written", "kernels"]
    kernels: tuple[str, ...]
    architecture: str
    features: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it was, for people."""
        how = {"": "", "as written": " as written", "kernels": "'s kernels of 8 bits"}[self.integers]
        named = f" ({', '.join(self.kernels)})" if self.kernels else ""
        features = f" with {', '.join(self.features)}" if self.features else ""
        return f"{self.runtime} {self.version}{how}{named} on {self.architecture}{features}"


class TargetLoss(Record, frozen=True, kw_only=True):
    """How far a converted model is from float32 on the runtime that it is for.

    Attributes:
        measured_on: The runtime and the processor.
        outputs: The loss of each output, by name.
    """

    measured_on: MeasuredOn
    outputs: dict[str, OutputLoss]


class Precision(Record, frozen=True, kw_only=True):
    """What was converted, and what that loses.

    Attributes:
        name: `fp16` or `int8`.
        nodes: Nodes of the float32 model.
        kept: Those that stay in float32 because they compute coordinates or geometry, sample, or have values that
            16 bits do not hold.
        wide: Tensors with such values on the frames.
        activations: Of `int8`: `symmetric` or `asymmetric`, as the target wants; else empty.
        weights: Of `int8`: `per channel` or `per tensor`; else empty.
        source: Where that is written, or what ran.
        weight_bits: Of `int8`: 8, or 7 where pairs of products may be added in 16 bits; else 0.
        weight_bits_source: Where that is written, or what ran.
        constant_bytes: Size of weights and all other constants.
        constant_bytes_float32: The same in float32.
        frames: Number of frames that the loss is measured on, and ranges taken from.
        frames_digest: Digest of the frames of a folder; empty if they are seeded noise.
        outputs: The loss of each output, by name.
        measured_on: What that was measured on.
        on_target: Of `int8`: the same on the target's own runtime; null where that is not installed or not known.
    """

    name: Literal["fp16", "int8"]
    nodes: int
    kept: int
    wide: int
    activations: Literal["", "symmetric", "asymmetric"]
    weights: Literal["", "per channel", "per tensor"]
    source: str
    weight_bits: Literal[0, 7, 8]
    weight_bits_source: str
    constant_bytes: int
    constant_bytes_float32: int
    frames: int
    frames_digest: str
    outputs: dict[str, OutputLoss]
    measured_on: MeasuredOn
    on_target: TargetLoss | None = None

    @property
    def frames_text(self) -> str:
        """Which frames were used, for people."""
        kind = (
            f"frames of digest {short(self.frames_digest)}"
            if self.frames_digest
            else "frames of seeded noise"
        )
        return f"{self.frames} {kind}"
