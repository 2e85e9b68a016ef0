"""Define a small drawing of an attention site: its steps before and after specialization."""

from __future__ import annotations

from typing import Literal

from specialize.text.record import Record

Kind = Literal["input", "calibration", "move", "work"]


class Step(Record, frozen=True, kw_only=True):
    """One step: nodes that apply the same operation to the same values, or a chain of element-wise ones.

    Attributes:
        what: Operators of the step, or the name of the tensor that enters.
        times: Number of nodes that do it side by side.
        kind: `input` is an input, `calibration` an input that depends on the calibration alone, `move` moves rows,
            `work` computes.
        shape: Shape of the result; if results differ, the minimum and the maximum.
        values: Numbers in all results together.
        after: Steps that it reads, as positions in the drawing.
    """

    what: str
    times: int
    kind: Kind
    shape: str
    values: int
    after: tuple[int, ...]


class Drawing(Record, frozen=True, kw_only=True):
    """One attention site, with the projections around it.

    Attributes:
        site: Its number.
        rows: Rows before and after.
        before: Steps of the input model, in the order of computation.
        after: Steps of the specialized model.
    """

    site: int
    rows: tuple[int, int]
    before: tuple[Step, ...]
    after: tuple[Step, ...]
