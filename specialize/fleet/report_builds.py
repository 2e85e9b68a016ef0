"""The builds of a fleet's plan: how each grows, what every vehicle adds, and how far its cameras may move."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from specialize.digest import short
from specialize.fleet.builds import FleetPlan, PlannedBuild
from specialize.fleet.footprints import Member, Members
from specialize.text.document import Beside, Cell, Column, Heading, Part, Table, View, table, words
from specialize.text.units import count, counted, number

MOST_MEMBERS = 12
_BOX = 100.0
_MARGIN = 0.08  # of the range, above and below the numbers of a picture


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
    """

    line: str
    band_top: str
    band_height: str
    least: int
    most: int
    first: str
    last: str


def builds_table(plan: FleetPlan, most: int, detailed: Collection[PlannedBuild] = ()) -> Table:
    """Return the first builds of a plan; on a page those that are `detailed` lead to their sections."""
    allowed, several, subsets = plan.request.max_overhead, len(plan.kinds) > 1, plan.request.subsets > 0
    rows: list[tuple[str | Cell, ...]] = [
        (
            Cell(short(build.key), link=f"#build-{short(build.key)}" if build in detailed else ""),
            build.mode,
            *([build.made_from] if subsets else []),
            Cell(count(len(build.members)), len(build.members) / plan.rigs),
            *([_kinds(build)] if several else []),
            count(build.pairs),
            Cell(number(100 * build.overhead, 2), build.overhead / allowed if allowed else 0.0),
            "; ".join(" ".join(map(str, row)) for row in build.lengths),
        )
        for build in plan.builds[:most]
    ]
    left = len(plan.builds) - most
    if left > 0:
        rows.append((f"and {left} more; --json lists all", *[""] * (5 + several + subsets)))
    rigs, overhead = Column("rigs" if subsets else "vehicles", "bars"), Column("overhead\n%", "bars")
    first, kinds = words("made from") if subsets else (), ["kinds"] if several else []
    return table(
        Column("build", "code"), "mode", *first, rigs, *kinds, "pairs", overhead, "lengths", rows=rows
    )


def _kinds(build: PlannedBuild) -> str:
    """Return the numbers of the kinds that a build serves, and of how many vehicles if it serves several."""
    if len(build.kinds) == 1:
        return str(build.kinds[0].kind)
    return ", ".join(f"{one.kind} ({count(one.vehicles)})" for one in build.kinds)


def members_parts(build: PlannedBuild) -> tuple[str, Table]:
    """Return the members of a build, below their title: all of a few, else those that add most."""
    title = "members, and the pairs that each further one adds"
    whole = _whole(build)
    members = whole[:MOST_MEMBERS]
    if len(whole) > MOST_MEMBERS:
        title += f" ({MOST_MEMBERS} of {len(whole):,}: the first, and those that add most)"
        members = [whole[0], *_most_adding(whole, MOST_MEMBERS - 1)]
    most = max((member.adds for member in members[1:]), default=0) or 1
    rows = [
        (
            member.vehicle,
            count(member.pairs),
            Cell(count(member.adds), member.adds / most if place else 0.0),
            number(100 * (build.pairs / member.pairs - 1) if member.pairs else 0.0, 2),
        )
        for place, member in enumerate(members)
    ]
    return title, table("vehicle", "own\npairs", Column("adds\npairs", "bars"), "overhead\n%", rows=rows)


def _whole(build: PlannedBuild) -> Sequence[Member]:
    """Return the whole vehicles of a build; all its rigs if cameras of each are off."""
    if isinstance(build.members, Members):
        return build.members.whole()
    return [member for member in build.members if not member.without] or build.members


def subsets_line(build: PlannedBuild) -> str:
    """Return what a shared build means for rigs with cameras off; empty if it serves none."""
    whole = len(_whole(build))
    if build.mode == "exact" or whole == len(build.members):
        return ""
    needs = (
        "each needs tables of its own, NAME-without-CAMERA"
        if build.mode == "tables"
        else "feed each its calibration with the camera off"
    )
    return (
        f"{counted(len(build.members) - whole, 'rig')} with cameras off, no build of its own: a camera that is off "
        f"sees nothing, and the build computes what it does for the whole vehicle; {needs}"
    )


def _most_adding(members: Sequence[Member], count: int) -> list[Member]:
    """Return the members that add most beside the first; a million of them are not made for that."""
    if isinstance(members, Members):
        return members.most_adding(count)
    return sorted(members[1:], key=lambda member: (-member.adds, str(member.path)))[:count]


def room_parts(build: PlannedBuild) -> tuple[str, Table]:
    """Return how far each camera may move until the next build, below a title; a page marks the tightest one."""
    turns, shifts = ([getattr(one, key) for one in build.room] for key in ("rotation_mrad", "translation_mm"))
    least = min((turn for turn in turns if turn is not None), default=None)
    rows = [
        (
            one.camera,
            Cell("least" if turn == least and turns.count(least) == 1 else "", state="mark"),
            _bar(turn, turns, 2),
            _bar(shift, shifts, 1),
            number(one.queries, 0),
        )
        for one, turn, shift in zip(build.room, turns, shifts, strict=True)
    ]
    title = f"room of the neediest of {counted(build.room_over, 'vehicle')}"
    if build.room_over < len(whole := _whole(build)):
        title += f" looked at, of {len(whole):,}"
    if build.mode == "tables" and all(turn == 0 for turn in turns):
        title += ": none; --spare keeps some"
    bars = (Column("", "words", page=True), Column("turn\nmrad", "bars"), Column("shift\nmm", "bars"))
    return title, table("until the next build", *bars, "queries\nto gain", rows=rows)


def _bar(value: float | None, among: Sequence[float | None], digits: int) -> Cell:
    most = max((one for one in among if one is not None), default=0.0) or 1.0
    return Cell(number(value, digits), 1.0 if value is None else value / most)


def build_parts(build: PlannedBuild) -> tuple[Part, ...]:
    """Return the section of a page about one build."""
    title, members = members_parts(build)
    room: tuple[Part, ...] = (
        Heading("How far each camera may move", 4),
        "Not at all: any change of a calibration is another exact build.",
    )
    if build.room:
        heading, cameras = room_parts(build)
        room = (Heading(f"How far each camera may move: {heading}", 4), cameras)
    return (
        Heading(
            f"Build {short(build.key)}: {build.mode}, {counted(len(build.members), 'vehicle')}",
            3,
            f"build-{short(build.key)}",
        ),
        *(_growth(build) if len(_whole(build)) > 1 else ()),
        Beside(((Heading(f"{title[0].upper()}{title[1:]}", 4), members), room)),
        *([f"{line}."] if (line := subsets_line(build)) else []),
    )


def _growth(build: PlannedBuild) -> tuple[str, View]:
    """Return the build's rows as its vehicles join, over the range of the vehicles' own rows: in words, and drawn."""
    members = _whole(build)
    own = [member.pairs for member in members]
    first = members[0].adds
    least, most = min(*own, first), max(*own, build.pairs)
    low, high = least - _MARGIN * (most - least), most + _MARGIN * (most - least)

    def y(pairs: float) -> float:
        return _BOX * (1 - (pairs - low) / ((high - low) or 1.0))

    further = build.pairs - first
    late = sum(member.adds for member in members[len(members) // 2 :])
    words = (
        f"The first vehicle needs {counted(first, 'pair')}, all others together add {count(further)}; "
        f"the second half of them adds {count(late)}. Alone a vehicle computes {count(min(own))} to "
        f"{count(max(own))} pairs, shared {count(build.pairs)}."
    )
    growth = Growth(
        line=_steps(members, y),
        band_top=f"{y(max(own)):.2f}",
        band_height=f"{max(0.5, y(min(own)) - y(max(own))):.2f}",
        least=round(low),
        most=round(high),
        first=members[0].vehicle,
        last=members[-1].vehicle,
    )
    return words, View("growth", growth)


def _steps(members: Sequence[Member], y: Callable[[float], float]) -> str:
    """Return the path of a stair with a step where a vehicle adds something."""
    rows = members[0].adds
    parts = [f"M0 {y(rows):.2f}"]
    for place, member in enumerate(members[1:], start=1):
        if member.adds:
            rows += member.adds
            parts.append(f"H{_BOX * place / len(members):.2f}V{y(rows):.2f}")
    return "".join([*parts, f"H{_BOX:.0f}"])
