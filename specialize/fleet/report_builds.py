"""The builds of a fleet's report: how each grows, what every vehicle adds, and how far its cameras may move."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from specialize.digest import short
from specialize.fleet.builds import FleetPlan, Member, PlannedBuild
from specialize.report.fleet_page import BuildDetail, BuildRow, Growth, MemberRow, RoomRow
from specialize.report.numbers import count, plural, three, width
from specialize.report.page import Bar

MOST_MEMBERS = 12
_BOX = 100.0
_MARGIN = 0.08  # of the range, above and below the numbers of a picture


def per_cent(share: float) -> str:
    """Return a share of pairs as per cent, two digits after the point: a fleet's overheads are small."""
    return f"{100 * share:.2f}\u202f%"


def build_row(build: PlannedBuild, plan: FleetPlan, detailed: bool) -> BuildRow:
    """Return one line of the table of builds."""
    allowed = plan.request.max_overhead
    members = len(build.members)
    return BuildRow(
        name=short(build.key),
        mode=build.mode,
        vehicles=Bar(count(members), width(members / plan.vehicles)),
        pairs=count(build.pairs),
        overhead=Bar(per_cent(build.overhead), width(build.overhead / allowed if allowed else 0.0)),
        lengths="; ".join(" ".join(map(count, row)) for row in build.lengths),
        detailed=detailed,
    )


def build_detail(build: PlannedBuild) -> BuildDetail:
    """Return what the page says about one build."""
    shown = _shown(build.members)
    most = max((member.adds for member in shown[1:]), default=0) or 1
    return BuildDetail(
        name=short(build.key),
        title=f"Build {short(build.key)}: {build.mode}, {plural(len(build.members), 'vehicle')}",
        growth=_growth(build) if len(build.members) > 1 else None,
        members=tuple(
            _member(member, build.pairs, 0.0 if place == 0 else member.adds / most)
            for place, member in enumerate(shown)
        ),
        members_remark=""
        if len(shown) == len(build.members)
        else f"{len(shown)} of {count(len(build.members))}: the first, and those that add most.",
        room=_room(build),
        room_remark=_looked_at(build),
    )


def _shown(members: Sequence[Member]) -> tuple[Member, ...]:
    """Return all of a few members, else the first and those that add most."""
    if len(members) <= MOST_MEMBERS:
        return tuple(members)
    rest = sorted(members[1:], key=lambda member: (-member.adds, str(member.path)))
    return (members[0], *rest[: MOST_MEMBERS - 1])


def _member(member: Member, pairs: int, share: float) -> MemberRow:
    over = pairs / member.pairs - 1 if member.pairs else 0.0
    return MemberRow(
        member.vehicle, count(member.pairs), Bar(count(member.adds), width(share)), per_cent(over)
    )


def _growth(build: PlannedBuild) -> Growth:
    """Return the build's rows as its vehicles join, over the range of the vehicles' own rows."""
    own = [member.pairs for member in build.members]
    first = build.members[0].adds
    least, most = min(*own, first), max(*own, build.pairs)
    low, high = least - _MARGIN * (most - least), most + _MARGIN * (most - least)

    def y(pairs: float) -> float:
        return _BOX * (1 - (pairs - low) / ((high - low) or 1.0))

    further = build.pairs - first
    late = sum(member.adds for member in build.members[len(build.members) // 2 :])
    return Growth(
        line=_steps(build.members, y),
        band_top=f"{y(max(own)):.2f}",
        band_height=f"{max(0.5, y(min(own)) - y(max(own))):.2f}",
        least=count(round(low)),
        most=count(round(high)),
        first=build.members[0].vehicle,
        last=build.members[-1].vehicle,
        sentence=f"The first vehicle needs {plural(first, 'pair')}, all others together add {count(further)}; "
        f"the second half of them adds {count(late)}. Alone a vehicle computes {count(min(own))} to "
        f"{count(max(own))} pairs, shared {count(build.pairs)}.",
    )


def _steps(members: Sequence[Member], y: Callable[[float], float]) -> str:
    """Return the path of a stair with a step where a vehicle adds something."""
    rows = members[0].adds
    parts = [f"M0 {y(rows):.2f}"]
    for place, member in enumerate(members[1:], start=1):
        if member.adds:
            rows += member.adds
            parts.append(f"H{_BOX * place / len(members):.2f}V{y(rows):.2f}")
    return "".join([*parts, f"H{_BOX:.0f}"])


def _room(build: PlannedBuild) -> tuple[RoomRow, ...]:
    turns, shifts = ([getattr(one, key) for one in build.room] for key in ("rotation_mrad", "translation_mm"))
    least = min((turn for turn in turns if turn is not None), default=None)
    return tuple(
        RoomRow(
            camera=one.camera,
            turn=_bar(one.rotation_mrad, turns),
            shift=_bar(one.translation_mm, shifts),
            queries="" if one.queries is None else count(one.queries),
            least=one.rotation_mrad == least and turns.count(least) == 1,
        )
        for one in build.room
    )


def _bar(value: float | None, among: Sequence[float | None]) -> Bar:
    if value is None:
        return Bar("any", width(1.0))
    most = max(one for one in among if one is not None) or 1.0
    return Bar(three(round(value, 2)), width(value / most))


def _looked_at(build: PlannedBuild) -> str:
    if not build.room:
        return ""
    text = f"The least over {plural(build.room_over, 'vehicle')}"
    return text + (f" of {count(len(build.members))}." if build.room_over < len(build.members) else ".")
