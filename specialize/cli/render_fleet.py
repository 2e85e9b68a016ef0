"""Render a fleet's plan as tables."""

from __future__ import annotations

from pathlib import Path

from specialize.cli.render_failed import failed_line
from specialize.digest import short
from specialize.fleet.builds import FleetPlan, PlannedBuild
from specialize.fleet.report_builds import builds_table, members_parts, room_parts, subsets_line
from specialize.fleet.request import FleetRequest
from specialize.text.document import Document, Table
from specialize.text.terminal import command
from specialize.text.units import counted

MOST_BUILDS = 40


def plan_text(plan: FleetPlan, lock: Path | None) -> Document:
    """Return what `specialize fleet plan` shows."""
    best = len(plan.builds) == plan.at_least
    bound = "no plan has fewer" if best else f"no plan has fewer than {plan.at_least}"
    builds = counted(len(plan.builds), "build")
    head = (
        f"{_vehicles(plan)}, {builds} of {plan.model}{_form(plan.request)} "
        f"({bound}); planned in {plan.seconds:.1f} s"
    )
    parts: list[str | Table] = [head, builds_table(plan, MOST_BUILDS)]
    for build in plan.builds[:MOST_BUILDS]:
        if len(build.members) > 1:
            parts += _below(build, *members_parts(build))
        if line := subsets_line(build):
            parts.append(f"{short(build.key)}: {line}")
        if build.room:
            parts += _below(build, *room_parts(build))
    parts += [failed_line(failed) for failed in plan.failed]
    if lock is not None:
        parts.append(f"written: {lock}\nnext: specialize fleet build {command(plan.request.folder)}")
    return tuple(parts)


def _vehicles(plan: FleetPlan) -> str:
    """Return how many vehicles there are, of how many kinds, and how many rigs with cameras off beside them."""
    kinds = f" of {len(plan.kinds)} kinds" if len(plan.kinds) > 1 else ""
    rigs = plan.rigs - plan.vehicles
    degraded = f" and {counted(rigs, 'rig')} with cameras off" if rigs else ""
    return f"{counted(plan.vehicles, 'vehicle')}{kinds}{degraded}"


def _form(request: FleetRequest) -> str:
    """Return what is asked of every build beside its model, as far as it is not what builds are without options."""
    asked = (
        (request.build.target != "onnxruntime", f" for {request.build.target}"),
        (bool(request.build.attention), f" with attention as {request.build.attention}"),
        (request.build.precision != "float32", f" in {request.build.precision}"),
    )
    return "".join(words for given, words in asked if given)


def _below(build: PlannedBuild, title: str, body: Table) -> list[str | Table]:
    return [f"{short(build.key)}: {title}", body]
