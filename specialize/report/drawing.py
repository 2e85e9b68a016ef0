"""Draw an attention site as a picture: a circle per step, lines to the steps that it reads, a bar for its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specialize.artifact.drawing import Drawing, Step
from specialize.report.lanes import Row, lay_out
from specialize.text.document import Part, View
from specialize.text.units import count, counted, scaled, times

_STEP_PX, _LANE_PX, _MARGIN_PX = 22, 16, 12
_LABEL_PX, _SHAPE_PX, _BAR_PX = 200, 130, 90
_LONGEST_LABEL = 28


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a drawing: `kind` chooses its look, `bar` is the width of its bar."""

    kind: str
    x: int
    y: int
    label: str
    shape: str
    values: str
    bar: str


@dataclass(frozen=True, slots=True)
class SidePicture:
    """A site before or after: steps from top to bottom, and the path of the lines between them."""

    title: str
    width: int
    height: int
    label_x: int
    shape_x: int
    bar_x: int
    lines: str
    steps: tuple[StepView, ...]


def drawing_parts(drawing: Drawing) -> tuple[Part, ...]:
    """Return what became of a site in a sentence, and its pictures before and after."""
    before, after = drawing.rows
    largest = max((step.values for step in (*drawing.before, *drawing.after)), default=1) or 1
    sides = (
        _side(f"Before: {counted(before, 'row')}", drawing.before, largest),
        _side(f"After: {counted(after, 'row')}", drawing.after, largest),
    )
    peaks = [max((step.values for step in steps), default=0) for steps in (drawing.before, drawing.after)]
    summary = (
        f"The largest attention site, number {drawing.site}, with the projections around it. "
        f"The largest result has {count(peaks[0])} numbers before and {count(peaks[1])} after"
        + (f", {times(peaks[0] / peaks[1])} fewer." if peaks[1] else ".")
    )
    return summary, View("drawing", sides)


def _side(title: str, steps: Sequence[Step], largest: int) -> SidePicture:
    rows = lay_out(steps)
    lanes = max((max((row.lane, *row.passing, *row.joining)) for row in rows), default=0) + 1
    label = 2 * _MARGIN_PX + lanes * _LANE_PX
    bar = label + _LABEL_PX + _SHAPE_PX
    return SidePicture(
        title=title,
        width=bar + _BAR_PX,
        height=_STEP_PX * len(steps) + 4,
        label_x=label,
        shape_x=label + _LABEL_PX,
        bar_x=bar,
        lines="".join(_lines(row, place) for place, row in enumerate(rows)),
        steps=tuple(
            StepView(
                kind=step.kind,
                x=_x(row.lane),
                y=_y(place),
                label=_label(step),
                shape=step.shape.replace(" x ", "×"),
                values=scaled(step.values),
                bar=f"{max(1.0, _BAR_PX * step.values / largest):.1f}",
            )
            for place, (row, step) in enumerate(zip(rows, steps, strict=True))
        ),
    )


def _label(step: Step) -> str:
    many = f" ×{step.times}" if step.times > 1 else ""
    label = f"calibration: {step.what}" if step.kind == "calibration" else step.what + many
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def _lines(row: Row, place: int) -> str:
    """Return path data of what runs through and into one step."""
    y, half = _y(place), _STEP_PX // 2
    parts = [f"M{_x(lane)} {y - half}v{_STEP_PX}" for lane in row.passing]
    if row.above:
        parts.append(f"M{_x(row.lane)} {y - half}v{half}")
    if row.below:
        parts.append(f"M{_x(row.lane)} {y}v{half}")
    for lane in row.joining:
        x = _x(lane)
        parts.append(f"M{x} {y - half}C{x} {y} {x} {y} {_x(row.lane)} {y}")
    return "".join(parts)


def _x(lane: int) -> int:
    return _MARGIN_PX + lane * _LANE_PX


def _y(place: int) -> int:
    return _STEP_PX // 2 + 2 + place * _STEP_PX
