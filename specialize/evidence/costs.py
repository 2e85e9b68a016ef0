"""Define the counted costs of the forms of a model."""

from __future__ import annotations

import msgspec

from specialize.text.record import Record


class Amount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is moved in one way.

    Attributes:
        elements: What moves in one piece: a row, or a number.
        bytes: Those of the data that is moved.
    """

    elements: int = 0
    bytes: int = 0

    def __add__(self, more: Amount) -> Amount:
        """Return the sum of two amounts."""
        return Amount(self.elements + more.elements, self.bytes + more.bytes)


class Movement(Record, frozen=True, kw_only=True):
    """What is moved to or from places that data, and not shapes, determine.

    Attributes:
        sorted: What is brought into order.
        scanned: What is read one after the other, because each result depends on those before.
        gathered: What is read at places that an index names.
        scattered: What is written at such places.
    """

    sorted: Amount = Amount()
    scanned: Amount = Amount()
    gathered: Amount = Amount()
    scattered: Amount = Amount()

    def __add__(self, more: Movement) -> Movement:
        """Return the sum of two movements."""
        return Movement(**{kind: getattr(self, kind) + getattr(more, kind) for kind in KINDS})


KINDS = ("sorted", "scanned", "gathered", "scattered")
NOTHING = Movement()


class Uncounted(Record, frozen=True, kw_only=True):
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


class FormCost(Record, frozen=True, kw_only=True):
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
    weight_bytes: int = 0
    constant_bytes: int = 0
    attention_predicted_ns: int = 0
    model_predicted_ns: int = 0
    movement: Movement = NOTHING
    uncounted: tuple[str, ...] = ()

    def known(self, quantity: str) -> int | None:
        """Return a quantity, parts of it behind dots as in `movement.sorted.elements`; None if it leaves nodes out."""
        name, *parts = quantity.split(".")
        if name in self.uncounted:
            return None
        value = getattr(self, name)
        for part in parts:
            value = getattr(value, part)
        return int(value)


class FormsReport(Record, frozen=True, kw_only=True, tag="specialize/flops@1", tag_field="schema"):
    """`specialize flops --json`.

    Attributes:
        original: How the sites of the original are written, as `zero-padded`; empty without sites.
        forms: `original`, `rebatched` and `specialized`, each counted on its real graph.
        attention_share: Form -> share (0 to 1) of its operations in attention sites.
        uncounted: What the sums leave out; empty means complete.
    """

    original: str = ""
    forms: dict[str, FormCost] = {}
    attention_share: dict[str, float] = {}
    uncounted: tuple[Uncounted, ...] = ()

    def ratio(self, form: str, quantity: str) -> float:
        """Return how many times more of a quantity the original has than `form`; nan if either leaves nodes out."""
        first, other = self.forms["original"].known(quantity), self.forms[form].known(quantity)
        if first is None or other is None:
            return float("nan")
        return float(first / other) if other else float("inf") if first else 1.0
