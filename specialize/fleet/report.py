"""Turn a fleet's plan, and how its vehicles differ, into a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.digest import short
from specialize.files.atomic import write_file
from specialize.fleet.builds import CameraRoom, FleetPlan, PlannedBuild
from specialize.fleet.differences import FleetDifferences, fleet_diff
from specialize.fleet.load import Failed
from specialize.fleet.report_apart import apart_parts, outliers_table, verdict
from specialize.fleet.report_builds import build_parts, builds_table
from specialize.report.html import to_html
from specialize.text.document import Fact, Heading, Page, Part, View, pairs
from specialize.text.units import count, counted, percent, sentence, three

# A page for people: so many builds in the table, in detail, and so many outliers.
MOST_BUILDS, MOST_DETAILS, MOST_OUTLIERS = 200, 24, 40
_NAMED = 3


_BUILDS = (
    "Each vehicle belongs to one build. The overhead is the largest share of further pairs that one of its vehicles "
    "computes; its bar is full at the {} that are allowed."
)
_TICKS = (
    "A tick stands at a vehicle's distance from the median calibration of its kind, higher where there are more "
    "vehicles. One of full height, right of the dashed line, is an outlier: look at that car before you build for it."
)


@dataclass(frozen=True, slots=True)
class Names:
    """The vehicles of one build, by name."""

    build: str
    summary: str
    vehicles: tuple[str, ...]


def fleet_report(plan: FleetPlan, jobs: int | None = None) -> str:
    """Return the HTML of a plan; the profiles are read once more, for the fleet's median.

    Raises:
        InputError: The folder has no profile that can be used any more.
    """
    found = fleet_diff(plan.request.folder, jobs=jobs)
    return to_html(fleet_page(plan, found))


def fleet_page(plan: FleetPlan, found: FleetDifferences) -> Page:
    """Return the page of a plan.

    Args:
        plan: The builds.
        found: The same vehicles against their median.
    """
    shared = [build for build in plan.builds if len(build.members) > 1 or build.room]
    detailed = shared[:MOST_DETAILS]
    request = plan.request
    names = tuple(_names(build) for build in plan.builds)
    return Page(
        title=f"{request.folder.resolve().name}: {counted(plan.vehicles, 'vehicle')}, "
        f"{counted(len(plan.builds), 'build')}",
        subtitle=f"fleet plan for {plan.model}, mode {request.mode}, {request.build.layout} layout, "
        f"at most {_allowed(plan)} overhead",
        warnings=tuple(f"Not in the plan: {_without_folder(failed)}" for failed in plan.failed),
        facts=_facts(plan, found),
        parts=(
            Heading("Builds"),
            _BUILDS.format(_allowed(plan)),
            builds_table(plan, MOST_BUILDS, detailed),
            *(part for build in detailed for part in build_parts(build)),
            *_outliers(found),
            Heading("Which build is for which vehicle"),
            View("names", names),
            Heading("Digests"),
            pairs(_digests(plan), "code"),
        ),
    )


def _outliers(found: FleetDifferences) -> tuple[Part, ...]:
    left = len(found.outliers) - MOST_OUTLIERS
    cameras: list[Part] = []
    if found.outliers:
        cameras = [Heading("Cameras that are outliers", 3), outliers_table(found.outliers[:MOST_OUTLIERS])]
    if left > 0:
        cameras.append(f"And {counted(left, 'further camera')}; the command's JSON lists all.")
    return Heading("Outliers"), _TICKS, sentence(verdict(found)), *apart_parts(found), *cameras


def _without_folder(failed: Failed) -> str:
    return failed.reason.replace(str(failed.path), failed.path.name)


def _allowed(plan: FleetPlan) -> str:
    return f"{100 * plan.request.max_overhead:g} %"


def _facts(plan: FleetPlan, found: FleetDifferences) -> tuple[Fact, ...]:
    builds = len(plan.builds)
    bound = (
        "no plan has fewer, for this overhead"
        if builds == plan.at_least
        else f"a heuristic's answer; no plan has fewer than {count(plan.at_least)}"
    )
    worst = max(plan.builds, key=lambda build: build.overhead)
    return (
        Fact("How many builds?", f"{count(builds)} for {counted(plan.vehicles, 'vehicle')}", bound),
        Fact(
            "What does sharing cost?",
            f"at most {percent(worst.overhead, 2)}" if worst.overhead else "nothing",
            f"further pairs that a vehicle computes for the others' sake; {_allowed(plan)} are allowed",
        ),
        _tightest(plan.builds),
        _who(found),
    )


def _tightest(builds: Sequence[PlannedBuild]) -> Fact:
    """Return the camera that may turn least until some vehicle needs another build."""
    question = "How far may a camera turn?"
    known = [
        (room.rotation_mrad, room, build)
        for build in builds
        for room in build.room
        if room.rotation_mrad is not None
    ]
    if not known:
        if any(build.room for build in builds):
            return Fact(question, "as far as was looked", "no camera leaves its build")
        return Fact(question, "not at all", "exact builds: any change of a calibration needs another one")
    turn, room, build = min(known, key=lambda entry: (entry[0], entry[1].camera))
    if not turn:
        option = "--spare" if build.mode == "tables" else "--tolerance"
        return Fact(
            question, "no room", f"a vehicle fills build {short(build.key)}; plan with {option} to make room"
        )
    detail = f"{room.camera} in build {short(build.key)}, the tightest{_and_shift(room)}"
    return Fact(question, f"{three(round(turn, 2))} mrad", detail)


def _and_shift(room: CameraRoom) -> str:
    return "" if room.translation_mm is None else f"; or shift {three(round(room.translation_mm, 1))} mm"


def _who(found: FleetDifferences) -> Fact:
    question = "Which vehicles are outliers?"
    vehicles = list(dict.fromkeys(outlier.vehicle for outlier in found.outliers))
    if not vehicles:
        whose = "the fleet's median" if len(found.groups) == 1 else "the median of its kind"
        return Fact(question, "none", f"no camera is far from {whose}")
    text = ", ".join(vehicles[:_NAMED])
    if len(vehicles) > _NAMED:
        text += f" and {count(len(vehicles) - _NAMED)} more"
    return Fact(question, text, str(found.outliers[0]), "bad")


def _names(build: PlannedBuild) -> Names:
    vehicles = tuple(sorted(member.vehicle for member in build.members))
    return Names(short(build.key), f"{build.mode}, {counted(len(vehicles), 'vehicle')}", vehicles)


def _digests(plan: FleetPlan) -> list[tuple[str, str]]:
    fixed = [("what is known about the model", plan.spec), ("weights", plan.source)]
    return [*fixed, *((f"build {short(build.key)}", build.key) for build in plan.builds[:MOST_BUILDS])]


def write_fleet_report(plan: FleetPlan, output: Path, jobs: int | None = None) -> None:
    """Write the report of a plan; see `fleet_report`."""
    write_file(output, fleet_report(plan, jobs))
