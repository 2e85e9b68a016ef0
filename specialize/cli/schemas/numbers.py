"""JSON of what was counted, measured and compared."""

from __future__ import annotations

from typing import Literal

from specialize.cli.schemas.base import Output
from specialize.power import Power


class MovedElements(Output, frozen=True, kw_only=True):
    """What is moved in one way.

    Attributes:
        elements: What moves in one piece: a row, or a number.
        bytes: Those of the data that is moved.
    """

    elements: int
    bytes: int


class Movement(Output, frozen=True, kw_only=True):
    """What is moved to or from places that data, and not shapes, determine.

    Attributes:
        sorted: What is brought into order.
        scanned: What is read one after the other, because each result depends on those before.
        gathered: What is read at places that an index names.
        scattered: What is written at such places.
    """

    sorted: MovedElements
    scanned: MovedElements
    gathered: MovedElements
    scattered: MovedElements


class CountedForm(Output, frozen=True, kw_only=True):
    """One form of a model, counted; a multiply-add is two operations.

    Attributes:
        pairs: Camera-query pairs computed, over all cameras and attention sites.
        attention_flops: Operations of the attention sites, projections included.
        per_row_flops: The part of them that works on rows, hence shrinks with them.
        model_flops: Operations of the whole model.
        attention_bytes: Bytes that the attention sites read and write.
        model_bytes: Bytes that the whole model reads and writes.
        attention_samples: Points sampled by the attention sites.
        peak_bytes: Activations at their peak, weights and constants.
        weight_bytes: Bytes of all weights, each once.
        constant_bytes: Bytes of all other constants, each once: tables, masks, what calibration alone determines.
        attention_predicted_ns: Time of the attention sites on ONNX Runtime, one thread of a reference processor, as a
            sum of counted quantities; a ratio of two forms is what it is good for.
        model_predicted_ns: The same of the whole model.
        movement: What the whole model sorts, scans, gathers and scatters.
        uncounted: Which of these quantities leave nodes out, hence are too small to be compared.
    """

    pairs: int
    attention_flops: int
    per_row_flops: int
    model_flops: int
    attention_bytes: int
    model_bytes: int
    attention_samples: int
    peak_bytes: int
    weight_bytes: int
    constant_bytes: int
    attention_predicted_ns: int
    model_predicted_ns: int
    movement: Movement
    uncounted: tuple[str, ...] = ()


class Uncounted(Output, frozen=True, kw_only=True):
    """An operator without a cost.

    Attributes:
        op: Operator.
        domain: Its domain; empty for the standard.
        reason: Why it has no cost.
        nodes: How many nodes there are.
        attention: Whether one is in an attention site.
    """

    op: str
    domain: str
    reason: str
    nodes: int
    attention: bool


class Flops(Output, frozen=True, kw_only=True):
    """`specialize flops --json`.

    Attributes:
        original: How the sites of the original are written, as `zero-padded`; empty without sites.
        forms: `original`, `rebatched` and `specialized`, each counted on its real graph.
        attention_share: Form -> share (0 to 1) of its operations in attention sites.
        uncounted: What the sums leave out; empty means complete.
    """

    schema: Literal["specialize/flops@1"]
    original: str
    forms: dict[str, CountedForm]
    attention_share: dict[str, float]
    uncounted: tuple[Uncounted, ...]


class Spread(Output, frozen=True, kw_only=True):
    """A median with its quartiles and extremes.

    Attributes:
        median: Half of the values lie below.
        low: A quarter lies below.
        high: Three quarters lie below.
        least: The smallest value.
        most: The largest value.
    """

    median: float
    low: float
    high: float
    least: float
    most: float


class TimedForm(Output, frozen=True, kw_only=True):
    """One form, measured in a process of its own.

    Attributes:
        seconds: Time of one run.
        peak_bytes: Peak memory of the process.
        idle_bytes: The same before the model was opened.
        shares: Operator -> share (0 to 1) of the time in operators, by the runtime's own profile.
    """

    seconds: Spread
    peak_bytes: int
    idle_bytes: int
    shares: dict[str, float]


class TimedPart(Output, frozen=True, kw_only=True):
    """One part of a model in all forms; ratios refer to the first form.

    Attributes:
        ratios: Form -> how many times faster, round by round.
        memory_ratios: Form -> how many times less memory, the idle process not counted.
        runtime: Name and version of the runtime.
        threads: Threads within an operator.
        warmup: Runs of each form before timing.
        together: Whether all forms stayed open; if not, each was opened anew for every turn and ran once before.
        rounds: Timed runs of each form.
        forms: Form -> what was measured.
    """

    ratios: dict[str, Spread]
    memory_ratios: dict[str, float]
    runtime: str
    threads: int
    warmup: int
    together: bool
    rounds: int
    forms: dict[str, TimedForm]


class Bench(Output, frozen=True, kw_only=True):
    """`specialize bench --json`.

    Attributes:
        ratios: Part -> form -> how many times faster than the original, the median over the rounds.
        model: Name of the model.
        vehicle: Name of the vehicle.
        site: Number of the attention site that was cut out.
        rows: Form -> rows that this site computes.
        parts: `rows` (the work on rows alone), `site` (with its projections), `model` (if it was asked for).
    """

    schema: Literal["specialize/bench@1"]
    ratios: dict[str, dict[str, float]]
    model: str
    vehicle: str
    site: int
    rows: dict[str, int]
    parts: dict[str, TimedPart]


class Tolerance(Output, frozen=True, kw_only=True):
    """What is allowed: |difference| <= atol + rtol * |reference|.

    Attributes:
        atol: Absolute part.
        rtol: Relative part.
        nonfinite: Whether infinities and NaN may stand where the reference has them.
        mismatches: Share of values that may differ; above 0 for integers alone.
    """

    atol: float
    rtol: float
    nonfinite: bool
    mismatches: float


class Worst(Output, frozen=True, kw_only=True):
    """The value closest to its bound, or farthest beyond.

    Attributes:
        frame: Number of the frame.
        index: Place in the output.
        reference: The original's value; text if it is no finite number.
        candidate: The specialized model's.
    """

    frame: int
    index: tuple[int, ...]
    reference: float | str | None
    candidate: float | str | None


class VerifiedOutput(Output, frozen=True, kw_only=True):
    """One output, compared over all frames.

    Attributes:
        passed: Whether it is equal within rounding.
        reason: Why not.
        dtype: Type of its values.
        shape: Its shape.
        max_abs: Largest absolute difference.
        max_rel: Largest difference relative to the largest value.
        cosine: Least cosine of the angle between both over the frames.
        margin: Largest share of what is allowed that was used; above 1 if it failed.
        failures: Values beyond their bound.
        tolerance: What was allowed.
        worst: The value closest to its bound.
    """

    passed: bool
    reason: str
    dtype: str
    shape: tuple[int, ...]
    max_abs: float | str | None
    max_rel: float | str | None
    cosine: float | str | None
    margin: float | str | None
    failures: int
    tolerance: Tolerance
    worst: Worst


class Verify(Output, frozen=True, kw_only=True):
    """`specialize verify --json`.

    Attributes:
        passed: Whether every output is equal within rounding.
        runtime: What the specialized model ran on.
        reference_runtime: What the original ran on.
        frames: Frames compared.
        outputs: Name -> how it compares.
        problems: What made the comparison fail besides numbers.
        notes: What should be known about it.
        power: What the comparison could show; null of a converted build, left out in a build's JSON.
    """

    schema: Literal["specialize/verify@1"]
    passed: bool
    runtime: str
    reference_runtime: str
    frames: int
    outputs: dict[str, VerifiedOutput]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    power: Power | None = None
