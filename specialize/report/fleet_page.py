"""What the report of a fleet's plan shows: every number is already text, every picture already a path."""

from __future__ import annotations

from dataclasses import dataclass

from specialize.report.page import Bar, Fact, Pair


@dataclass(frozen=True, slots=True)
class BuildRow:
    """One build of the plan.

    Attributes:
        name: Short form of its key, which is its anchor as well.
        mode: How calibration is bound.
        vehicles: Number of its vehicles, with the share of the fleet as a bar.
        pairs: Rows that it computes.
        overhead: The largest share of them that a vehicle does not need, as a bar of what is allowed.
        lengths: Rows per camera.
        detailed: Whether the page has a section about it.
    """

    name: str
    mode: str
    vehicles: Bar
    pairs: str
    overhead: Bar
    lengths: str
    detailed: bool


@dataclass(frozen=True, slots=True)
class Growth:
    """How a build grows vehicle by vehicle.

    Attributes:
        line: Path of the rows of the build, in a box of 100 by 100.
        band_top: Where the range of the vehicles' own rows begins, from the top of the box.
        band_height: Its height.
        least: The number at the lower edge of the box.
        most: The number at its upper edge.
        first: The first vehicle's name.
        last: The last one's.
        sentence: The same in words.
    """

    line: str
    band_top: str
    band_height: str
    least: str
    most: str
    first: str
    last: str
    sentence: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One vehicle in a build: its own rows, what it adds as text and bar, and what it computes in vain."""

    vehicle: str
    pairs: str
    adds: Bar
    overhead: str


@dataclass(frozen=True, slots=True)
class RoomRow:
    """How far one camera may move until the next build, as text and bars; `least` marks the tightest one."""

    camera: str
    turn: Bar
    shift: Bar
    queries: str
    least: bool


@dataclass(frozen=True, slots=True)
class BuildDetail:
    """One build in detail; `growth` is None for a single vehicle, `room` empty where any change breaks it."""

    name: str
    title: str
    growth: Growth | None
    members: tuple[MemberRow, ...]
    members_remark: str
    room: tuple[RoomRow, ...]
    room_remark: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One camera's distances from the fleet's median, a tick where vehicles are, in a box of 100 by 10.

    Attributes:
        camera: Its name.
        ticks: Path of the vehicles within the limit, higher where there are more.
        apart: Path of those beyond it, of full height.
        limit: Where the limit stands, in the box; empty if there is none.
        largest: The largest distance, as text.
        farthest: The vehicle that it belongs to.
    """

    camera: str
    ticks: str
    apart: str
    limit: str
    largest: str
    farthest: str


@dataclass(frozen=True, slots=True)
class StripChart:
    """One quantity of all cameras of a group, on one axis that begins at zero."""

    title: str
    end: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Vehicles with the same cameras against their median: one chart per quantity."""

    title: str
    charts: tuple[StripChart, ...]


@dataclass(frozen=True, slots=True)
class OutlierRow:
    """One camera of one vehicle that is an outlier."""

    vehicle: str
    camera: str
    distance: str
    limit: str


@dataclass(frozen=True, slots=True)
class Names:
    """The vehicles of one build, by name."""

    build: str
    summary: str
    vehicles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FleetPage:
    """The whole report of a fleet's plan."""

    title: str
    subtitle: str
    warnings: tuple[str, ...]
    facts: tuple[Fact, ...]
    allowed: str
    builds: tuple[BuildRow, ...]
    builds_remark: str
    details: tuple[BuildDetail, ...]
    apart: tuple[Apart, ...]
    apart_remark: str
    outliers: tuple[OutlierRow, ...]
    outliers_remark: str
    names: tuple[Names, ...]
    digests: tuple[Pair, ...]
