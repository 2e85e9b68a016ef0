"""What a toolchain takes: operators with their limits, opsets, custom operators, files; and where each fact comes from.

A target is a module of this package with a `TOOLCHAIN` and a function `files`; it is data but for its files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from specialize.errors import UsageError, closest
from specialize.targets.limits import Limit

RUNS_ANYWHERE = ("gridsample", "points-first", "corner-product", "decomposed", "nearest-gather")
"""Forms of deformable attention in standard operators alone."""

VENDOR_QUANTIZES = (
    "the toolchain quantizes the float32 model itself: the build in int8 only shows what 8 bits lose"
)
"""Why weights have 8 bits in a model that the toolchain does not read."""

Verdict = Literal["allowed", "cpu", "refused", "unknown"]

VERDICTS: tuple[Verdict, ...] = ("allowed", "cpu", "refused", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about a toolchain, and how.

    Attributes:
        kind: `ran here`: it was installed and did what `text` says; `from documents`: a document says so.
        text: Version and result, or the document.
    """

    kind: Literal["ran here", "from documents"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a toolchain does with one operator.

    Attributes:
        verdict: If all limits are kept.
        text: Why, for people; empty for an operator that is simply taken.
        limits: What a node must keep.
        otherwise: Verdict for a node that does not.
        help: What would help, where that is known.
        source: Where it is written, or what ran; that of the toolchain if empty.
    """

    verdict: Verdict = "allowed"
    text: str = ""
    limits: tuple[Limit, ...] = ()
    otherwise: Verdict = "refused"
    help: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """How a toolchain reads 8-bit integers in an ONNX file.

    Processors without dot products of 8 bits (x86 before VNNI) add two products in 16 bits, which saturate: with
    activations up to 255 and weights up to 127 a pair reaches 64,770, and the largest 16-bit integer is 32,767. With
    weights of 7 bits, -64 to 64, a pair reaches 2 * 255 * 64 = 32,640, so that no such sum can saturate.

    Attributes:
        symmetric: Whether zero must be the integer 0 in activations; else they have a zero point.
        source: Where that is written, or what ran.
        weight_bits: 7 where kernels may add pairs of products in 16 bits, or where that is not known; else 8.
        weight_bits_source: Where that is written, or what ran.
        own: Why the toolchain should get the float32 model instead; empty if it reads quantized models.
    """

    symmetric: bool = False
    source: str = "unknown for this toolchain; the default of ONNX Runtime's quantization"
    weight_bits: Literal[7, 8] = 7
    weight_bits_source: str = "not known for this toolchain: its kernels may add pairs of products in 16 bits"
    own: str = ""

    @property
    def largest_weight(self) -> int:
        """Largest magnitude of a weight's integer."""
        return 64 if self.weight_bits == 7 else 127


Quirk = Literal[
    "batched weights",  # weights of products over a batch must have as many axes as the batch's rows
    "axis in front",  # it works item by item along the first of three axes; a long one gets an axis of 1 in front
    "zeros by Pad",  # rows of zeros that are joined to others become a product with a matrix
    "half pixels",  # nearest Resize is known with half pixels alone
    "choices for bools",  # casts of truth values are computed wrongly
    "equal ranks",  # operands must have the same rank, divisors must not be constants
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """One toolchain.

    Attributes:
        name: As in `--target`.
        title: Vendor, product and version.
        opsets: Oldest and newest version of the standard operators that it reads.
        opset: Version that we write for it, at most.
        operators: Rules by operator, custom ones as `domain::name`.
        unlisted: Rule for every other operator.
        highest_rank: Of any tensor; 0 if no limit is known.
        highest_rank_source: Where that limit is written.
        form: How deformable attention is written for it, a name in `lowering.attention.FORMS`.
        forms: Further forms that it takes.
        grid_sample: How GridSample is written for it: as it is, in a domain of the vendor, or with Gather.
        quirks: What is written another way for it because it computes that wrongly, slowly or not at all.
        floats: Float types that it computes in, or takes and computes in another.
        int8: How it reads 8-bit integers.
        runtime: Key of `verify.RUNTIMES` that runs its models as a deployment does; empty if there is none here.
        static: Whether every shape must be a number.
        files: Names of the files that are written beside the model, without those every build has.
        swaps_constants: Whether it replaces constants of a compiled model: each then gets a file of its own.
        evidence: How all this is known.
        source: Document that holds unless a rule names another.
        notes: What a user of the toolchain should know.
    """

    name: str
    title: str
    opsets: tuple[int, int]
    opset: int
    operators: Mapping[str, Rule]
    unlisted: Rule
    highest_rank: int = 0
    highest_rank_source: str = ""
    form: str = "gridsample"
    forms: tuple[str, ...] = ()
    grid_sample: Literal["standard", "horizon", "gather"] = "standard"
    quirks: tuple[Quirk, ...] = ()
    floats: tuple[str, ...] = ("float32", "float16")
    int8: Int8 = Int8()
    runtime: str = ""
    static: bool = True
    files: tuple[str, ...] = ()
    swaps_constants: bool = False
    evidence: tuple[Evidence, ...]
    source: str
    notes: tuple[str, ...] = field(default=())

    def taken(self) -> tuple[str, ...]:
        """Return the forms of deformable attention that it takes, its own first."""
        return tuple(dict.fromkeys((self.form, *self.forms, *RUNS_ANYWHERE)))

    def require_form(self, form: str) -> None:
        """Refuse a way of writing deformable attention, or one of two, that the toolchain does not take.

        Raises:
            UsageError: It takes others.
        """
        taken = self.taken()
        if any(part not in taken for part in form.split("/", 1)):
            hint = closest(form, taken)
            raise UsageError("--attention", f"one of {', '.join(taken)} for {self.name}", repr(form), hint)

    @property
    def ran(self) -> bool:
        """Whether any of it was seen running."""
        return any(each.kind == "ran here" for each in self.evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """An input or output of the model: its name, numpy type and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def dims(self) -> str:
        """The shape as toolchains want it, `1x3x480x800`."""
        return "x".join(str(size) for size in self.shape)

    @property
    def bytes(self) -> int:
        """Size in memory."""
        bits = re.match(r"[a-z]+(\d+)", self.dtype)
        return math.prod(self.shape) * (int(bits[1]) // 8 if bits else 1)  # a bool has a byte


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """What the files of a target state about a build.

    Attributes:
        vehicle: Name of the vehicle.
        cameras: Their names, in order.
        lengths: Per site, rows that each camera computes.
        profile: Digest of the calibration profile.
        plan: Digest of the visible sets.
        mode: How calibration is bound: `exact`, `envelope` or `tables`.
        precision: Number format of the model: `float32`, `fp16` or `int8`.
    """

    vehicle: str
    cameras: tuple[str, ...] = ()
    lengths: tuple[tuple[int, ...], ...] = ()
    profile: str = ""
    plan: str = ""
    mode: str = "exact"
    precision: str = "float32"

    @property
    def validity(self) -> str:
        """Which calibrations the model may be used for."""
        return {
            "envelope": "valid for the calibrations of its envelope",
            "tables": "its tables are inputs",
        }.get(self.mode, "valid for one calibration")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What templates are filled with.

    Attributes:
        build: Facts of the build.
        target: Name of the target.
        model: Name of the ONNX file.
        opset: Version of the standard operators it is written in.
        inputs: Its inputs.
        outputs: Its outputs.
        coordinates: Node names of the branch that computes sampling places: it must not be computed in 8 bits.
        branches: First tensors, and the last one, of each such branch.
        samplers: Names of the GridSamples that read their last tensors, as the second input.
        tables: Constants of the graph that a vehicle's calibration decides: names of initializers.
        plugins: Custom operators that the model needs.
        nodes: Names of its nodes, by operator.
        allowed: Names of the nodes that the toolchain takes and leaves to no CPU.
    """

    build: BuildFacts
    target: str
    model: str
    opset: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    coordinates: tuple[str, ...] = ()
    branches: tuple[tuple[tuple[str, ...], str], ...] = ()
    samplers: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()


class Target(Protocol):
    """A module of this package."""

    TOOLCHAIN: Toolchain

    def files(self, facts: FileFacts) -> dict[str, str]:
        """Return the files that the toolchain needs beside the model, by name."""
        ...


def table(*groups: tuple[str, Rule]) -> dict[str, Rule]:
    """Return rules by operator from lines of operator names that share one."""
    return {name: rule for names, rule in groups for name in names.split()}


ALLOWED = Rule()
