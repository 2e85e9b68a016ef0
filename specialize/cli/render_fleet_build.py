"""Render the results of a fleet's builds and the states of its vehicles as tables."""

from __future__ import annotations

from specialize.cli.render_failed import failed_line
from specialize.digest import short
from specialize.fleet.builds import BuiltBuild, FleetBuilt
from specialize.fleet.judging import STATES, BuildState, VehicleState
from specialize.fleet.lock import default_lock
from specialize.fleet.status import FleetStatus
from specialize.text.document import Document, Table, table
from specialize.text.terminal import command
from specialize.text.units import counted, number, size

MOST_ROWS = 40


def build_line(built: BuiltBuild, done: int, total: int) -> str:
    """Return the line of progress after one build."""
    what = f"{built.mode} for {_whom(built)}"
    end = f": {built.reason.splitlines()[0]}" if built.reason else f" in {built.seconds:.1f} s"
    return f"[{done}/{total}] {built.status} {what}{end}"


def build_text(found: FleetBuilt) -> Document:
    """Return what `specialize fleet build` shows."""
    counts = {
        word: sum(built.status == word for built in found.builds) for word in ("built", "reused", "failed")
    }
    words = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    head = f"{counted(len(found.builds), 'build')} in {found.store}: {words}; {found.seconds:.1f} s"
    rows = (
        (
            short(built.key), built.mode, _whom(built), built.status, built.proof, number(built.seconds, 1),
            size(built.own_bytes), "-" if built.folder is None else str(built.folder),
        )
        for built in found.builds[:MOST_ROWS]
    )  # fmt: skip
    body = table("build", "mode", "for", "", "proof", "s", "own size", "folder", rows=rows)
    told = {(one.vehicle, one.reason) for one in found.left_out}
    failed = [
        f"error: {_whom(built)}: {built.reason}"
        for built in found.builds
        if built.status == "failed" and (_whom(built), built.reason) not in told
    ]
    left_out = [f"left out: {one.vehicle}: {one.reason}" for one in found.left_out]
    return (head, *_proofs(found), body, *failed, *left_out)


def _proofs(found: FleetBuilt) -> list[str]:
    """Return how many builds were proven in which way, if some were proven at their sites."""
    counts = {word: sum(built.proof == word for built in found.builds) for word in ("whole", "sites")}
    if not counts["sites"]:
        return []
    return [
        f"{counts['whole']:,} verified whole, {counts['sites']:,} at the sites, with the rest equal to one of those"
    ]


def status_text(found: FleetStatus) -> Document:
    """Return what `specialize fleet status` shows."""
    head = f"{counted(found.total, 'vehicle')}: " + ", ".join(
        f"{getattr(found, state):,} {state}" for state in STATES
    )
    parts: list[str | Table] = [head]
    if found.builds:
        parts.append("\n".join(_build_line(one) for one in found.builds[:MOST_ROWS]))
    if len(found.builds) > MOST_ROWS:
        parts.append(f"and {counted(len(found.builds) - MOST_ROWS, 'build')} more that --json lists")
    of_builds = {(one.state, one.reason) for one in found.builds}
    told = [one for one in found.vehicles if one.reason and (one.state, one.reason) not in of_builds]
    if told:
        parts.append("\n".join(_state_line(one) for one in told[:MOST_ROWS]))
    if len(told) > MOST_ROWS:
        parts.append(f"and {len(told) - MOST_ROWS} more of those that --json lists")
    parts += [failed_line(failed) for failed in found.failed[:MOST_ROWS]]
    if found.unreadable > len(found.failed[:MOST_ROWS]):
        parts.append(f"{counted(found.unreadable, 'profile')} cannot be read")
    parts += _verified_line(found)
    if any(one.state in ("stale", "unused") or "plan" in one.reason for one in found.vehicles):
        parts.append(f"next: {found.again}")
    elif found.damaged:
        parts.append("next: specialize store check --repair")
    elif found.missing:
        lock = () if found.lock == default_lock(found.folder) else ("--lock", found.lock)
        parts.append(f"next: {command('specialize', 'fleet', 'build', found.folder, *lock)}")
    return tuple(parts)


def _build_line(one: BuildState) -> str:
    return f"{one.state:8}build {short(one.build)}, {counted(one.vehicles, 'vehicle')}: {one.reason}"


def _verified_line(found: FleetStatus) -> list[str]:
    """Return of how many rows of a table the digests were not taken on trust."""
    if not found.verified:
        return []
    rest = found.total - found.unused - found.verified
    more = "; --verify computes those of all" if rest > 0 else ""
    return [f"digests of {counted(found.verified, 'row')} computed anew{more}"]


def _state_line(one: VehicleState) -> str:
    return f"{one.state:8}{one.vehicle}: {one.reason}"


def _whom(built: BuiltBuild) -> str:
    return built.vehicles[0] if len(built.vehicles) == 1 else f"{len(built.vehicles):,} vehicles"
