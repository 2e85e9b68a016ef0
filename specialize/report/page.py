"""What a report shows: every number is already text, every picture already a path.

Templates lay out these values and compute nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One answer at the top of the page: a question, the answer, and what it rests on."""

    question: str
    answer: str
    detail: str
    state: str = "plain"


@dataclass(frozen=True, slots=True)
class Layer:
    """One class of cells on the map: `kind` chooses its look, `label` and `amount` stand in the legend."""

    kind: str
    label: str
    amount: str
    path: str


@dataclass(frozen=True, slots=True)
class CameraView:
    """One camera.

    Attributes:
        name: Its name.
        visible: Queries that it sees, as text.
        share: The same as a share of all queries.
        width: The same as the width of a bar, in per cent.
        alone: Queries that only this camera sees.
        footprint: Path of the cells that it sees.
        density: Paths of where the reference points fall in its image, sparsest first.
        costliest: Whether it sees most.
    """

    name: str
    visible: str
    share: str
    width: str
    alone: str
    footprint: str
    density: tuple[str, ...]
    costliest: bool


@dataclass(frozen=True, slots=True)
class SiteView:
    """One grid of queries, and the attention sites that look like it.

    Attributes:
        title: What it is.
        summary: Queries, pairs and rows computed, in a sentence.
        queries: Queries, as text.
        longest: Queries of the longest camera, as text.
        longest_width: The same as a position on a bar, in per cent.
        columns: Cells across.
        rows: Cells from the near to the far edge.
        axes: Names of the axes that run across the map and up it.
        x_range: Where the map begins and ends across, in metres.
        y_range: Where it begins and ends upwards, in metres.
        origin: Column and row of the lidar on the map.
        marker: Radius of its mark, in cells.
        layers: Cells by the number of cameras that see them.
        cameras: The cameras.
        image_bins: Columns and rows of the cameras' pictures.
        masks: Base64 of the (N, H*W) masks, bits packed, for the interactive map.
    """

    title: str
    summary: str
    queries: str
    longest: str
    longest_width: str
    columns: int
    rows: int
    axes: tuple[str, str]
    x_range: tuple[str, str]
    y_range: tuple[str, str]
    origin: tuple[str, str]
    marker: str
    layers: tuple[Layer, ...]
    cameras: tuple[CameraView, ...]
    image_bins: tuple[int, int]
    masks: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a comparison, with the width of its bar in per cent."""

    text: str
    width: str


@dataclass(frozen=True, slots=True)
class CostRow:
    """One quantity of all forms, and how many times less the last one needs."""

    label: str
    bars: tuple[Bar, ...]
    saved: str


@dataclass(frozen=True, slots=True)
class Costs:
    """The forms side by side, and what must be said about them."""

    forms: tuple[str, ...]
    rows: tuple[CostRow, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutputRow:
    """One output of the comparison with the original."""

    name: str
    verdict: str
    passed: bool
    max_abs: str
    max_rel: str
    cosine: str
    margin: str
    margin_width: str
    worst: str


@dataclass(frozen=True, slots=True)
class Parity:
    """The comparison with the original."""

    passed: bool
    sentence: str
    rows: tuple[OutputRow, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PassRow:
    """What a pass did at one place, or why it declined."""

    name: str
    verdict: str
    applied: bool
    where: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class DrawingView:
    """An attention site before and after."""

    summary: str
    sides: tuple[SidePicture, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and a value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class BuildPage:
    """The whole report of a build."""

    title: str
    subtitle: str
    warnings: tuple[str, ...]
    facts: tuple[Fact, ...]
    sites: tuple[SiteView, ...]
    costs: Costs
    once: Costs | None
    times: Costs | None
    shares: tuple[Pair, ...]
    parity: Parity
    drawings: tuple[DrawingView, ...]
    passes: tuple[PassRow, ...]
    contract: tuple[Pair, ...]
    digests: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class MovedCamera:
    """How one camera moved, every number with its unit in the head of its column."""

    name: str
    rotation: str
    translation: str
    focal: str
    principal_point: str
    shift_10m: str
    shift_20m: str
    kept: str
    gained: str
    lost: str
    remark: str


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One camera on one grid: paths of the cells that stay, that are new and that are gone."""

    name: str
    summary: str
    kept: str
    gained: str
    lost: str
    changed: bool


@dataclass(frozen=True, slots=True)
class ChangeMap:
    """The changes on one grid of queries."""

    title: str
    columns: int
    rows: int
    cameras: tuple[ChangeView, ...]


@dataclass(frozen=True, slots=True)
class DiffPage:
    """The whole report of a difference between two calibrations."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    cameras: tuple[MovedCamera, ...]
    maps: tuple[ChangeMap, ...]
    digests: tuple[Pair, ...]
