"""Render a fleet's plan as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specialize.digest import short
from specialize.fleet.builds import FleetPlan, Member, PlannedBuild
from specialize.fleet.report_builds import builds_table, members_parts, room_parts
from specialize.fleet.request import FleetRequest
from specialize.text.document import Document, Table
from specialize.text.terminal import command
from specialize.text.units import counted

PLAN_SCHEMA = "specialize/fleet-plan@1"

MOST_BUILDS = 40


def plan_json(plan: FleetPlan, lock: Path | None) -> dict[str, Any]:
    """Return what `specialize fleet plan --json` prints."""
    return {
        "schema": PLAN_SCHEMA,
        "folder": str(plan.request.folder),
        "model": plan.model,
        "mode": plan.request.mode,
        "target": plan.request.build.target,
        "attention": plan.request.build.attention,
        "precision": plan.request.build.precision,
        "max_overhead": plan.request.max_overhead,
        "vehicles": plan.vehicles,
        "at_least": plan.at_least,
        "seconds": round(plan.seconds, 3),
        "lock": None if lock is None else str(lock),
        "builds": [_build_json(build) for build in plan.builds],
        "failed": [{"path": str(failed.path), "reason": failed.reason} for failed in plan.failed],
    }


def plan_text(plan: FleetPlan, lock: Path | None) -> Document:
    """Return what `specialize fleet plan` shows."""
    best = len(plan.builds) == plan.at_least
    bound = "no plan has fewer" if best else f"no plan has fewer than {plan.at_least}"
    builds = counted(len(plan.builds), "build")
    head = (
        f"{counted(plan.vehicles, 'vehicle')}, {builds} of {plan.model}{_form(plan.request)} "
        f"({bound}); planned in {plan.seconds:.1f} s"
    )
    parts: list[str | Table] = [head, builds_table(plan, MOST_BUILDS)]
    for build in plan.builds[:MOST_BUILDS]:
        if len(build.members) > 1:
            parts += _below(build, *members_parts(build))
        if build.room:
            parts += _below(build, *room_parts(build))
    parts += [f"error: {failed.path}: {failed.reason}" for failed in plan.failed]
    if lock is not None:
        parts.append(f"written: {lock}\nnext: specialize fleet build {command(plan.request.folder)}")
    return tuple(parts)


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


def _build_json(build: PlannedBuild) -> dict[str, Any]:
    per_camera = [sum(row) for row in zip(*build.lengths, strict=True)]
    return {
        "key": build.key,
        "mode": build.mode,
        "cameras": list(build.cameras),
        "vehicles": [member.vehicle for member in build.members],
        "pairs": build.pairs,
        "overhead": round(build.overhead, 6),
        "lengths": per_camera,
        "grids": [list(row) for row in build.lengths],
        "fan_in": build.fan_in,
        "members": [_member_json(member) for member in build.members],
        "headroom": [
            {
                "camera": one.camera,
                "rotation_mrad": _rounded(one.rotation_mrad),
                "translation_mm": _rounded(one.translation_mm),
                "queries": one.queries,
            }
            for one in build.room
        ],
        "headroom_over": build.room_over,
    }


def _member_json(member: Member) -> dict[str, Any]:
    return {
        "vehicle": member.vehicle,
        "path": str(member.path),
        "profile": member.profile,
        "plan": member.plan,
        "pairs": member.pairs,
        "adds": member.adds,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
