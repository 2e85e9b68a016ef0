"""The report of a fleet's plan says what the plan says, and stands alone."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from specialize.files.resources import resource_dir
from specialize.fleet.builds import FleetPlan
from specialize.fleet.differences import fleet_diff
from specialize.fleet.plan import plan_fleet
from specialize.fleet.report import fleet_page, fleet_report
from specialize.fleet.report_builds import room_parts
from specialize.fleet.request import FleetRequest
from specialize.report.html import to_html
from specialize.text.document import Heading, Page, View
from specialize.text.units import number, three
from tests.calibration import authored
from tests.cli.running import run_here
from tests.fleet.fleets import FOREIGN, mixed_fleet, write_fleet, write_rig

DEMO = resource_dir("calib_profiles") / "demo_fleet"


def _text(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def _views(page: Page, macro: str) -> list[Any]:
    """Return what a page draws with a macro."""
    return [part.value for part in page.parts if isinstance(part, View) and part.macro == macro]


@pytest.fixture(scope="module")
def plan() -> FleetPlan:
    """Return the plan of the demonstration fleet with an envelope that has room."""
    return plan_fleet(FleetRequest.of(folder=DEMO, mode="envelope", tolerance="rotation=0.1deg"))


@pytest.fixture(scope="module")
def html(plan: FleetPlan) -> str:
    """Return its report."""
    return fleet_report(plan)


def test_it_answers_the_four_questions(plan: FleetPlan, html: str) -> None:
    """How many builds, what sharing costs, how far a camera may turn, and which are outliers."""
    text, build = _text(html), plan.builds[0]
    assert "How many builds? 1 for 8 vehicles no plan has fewer" in text
    assert f"What does sharing cost? at most {100 * build.overhead:.2f} %" in text
    tightest = min(build.room, key=lambda room: room.rotation_mrad or 0.0)
    assert (
        f"How far may a camera turn? {three(round(tightest.rotation_mrad or 0.0, 2))} mrad {tightest.camera} in build"
        in text
    )
    assert "Which vehicles are outliers? van_05 van_05: CAM_BACK 13 mrad from the fleet's median" in text


def test_every_vehicle_and_camera_is_there(plan: FleetPlan, html: str) -> None:
    """Members with what they add, cameras with their room, outliers with what the rule allows."""
    text, build = _text(html), plan.builds[0]
    for member in build.members:
        assert f"{member.vehicle} {member.pairs:,} {member.adds:,} " in text
    for room in build.room:
        turn = number(room.rotation_mrad, 2)
        assert re.search(rf"{room.camera} (least )?{re.escape(turn)} ", text), room
    assert html.count(">least<") == 1
    assert re.search(r"from the median allowed van_05 CAM_BACK 13.2 mrad [\d.]+ Which", text)
    assert build.key in text and plan.spec in text


def test_the_stair_ends_at_the_build(plan: FleetPlan) -> None:
    """The picture of growth starts at the first vehicle's pairs, steps where one adds some, ends at the build's."""
    (growth,) = _views(fleet_page(plan, fleet_diff(DEMO)), "growth")
    heights = [float(y) for y in re.findall(r"(?:M0 |V)([\d.]+)", growth.line)]
    steps = [member for member in plan.builds[0].members[1:] if member.adds]
    assert len(heights) == 1 + len(steps) and heights == sorted(heights, reverse=True)
    assert float(growth.band_top) > heights[-1]


def test_vehicles_that_stand_apart_have_a_mark_of_their_own(plan: FleetPlan) -> None:
    """Beyond the limit a tick is drawn separately, at its place on the axis; other vehicles have none."""
    (charts,) = _views(fleet_page(plan, fleet_diff(DEMO)), "charts")
    turned = {strip.camera: strip for strip in charts[0].strips}
    apart = [strip.camera for chart in charts for strip in chart.strips if strip.apart]
    assert apart == ["CAM_BACK"] and turned["CAM_BACK"].farthest == "van_05"
    place = float(re.match(r"M([\d.]+)", turned["CAM_BACK"].apart)[1])  # type: ignore[index]
    assert place == pytest.approx(100 * 13.2 / float(charts[0].end), abs=1.0)
    assert place > float(turned["CAM_BACK"].limit)


def test_it_stands_alone_and_repeats(plan: FleetPlan, html: str) -> None:
    """Nothing is loaded from anywhere, no path is inside, and the same plan gives the same bytes."""
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", html)
    assert str(DEMO) not in html
    assert fleet_report(plan) == html


def test_several_kinds_of_vehicles_are_told_apart(tmp_path: Path) -> None:
    """Each kind has pictures of its own, and a vehicle without a peer has no median."""
    folder = mixed_fleet(tmp_path / "mixed")
    page = fleet_page(plan_fleet(FleetRequest.of(folder=folder, allow=FOREIGN)), fleet_diff(folder))
    text = _text(to_html(page))
    assert "4 vehicles with fewer than 4 of a kind" in text
    titles = [part.text for part in page.parts if isinstance(part, Heading) and "cameras" in part.text]
    assert titles[:2] == ["Kind 1: 6 vehicles with 6 cameras", "Kind 2: 3 vehicles with 6 cameras"]
    (names,) = _views(page, "names")
    assert sum(len(group.vehicles) for group in names) == 10


def test_exact_builds_have_no_room(tmp_path: Path) -> None:
    """A fleet of exact builds says that nothing is shared and that any change breaks a build."""
    write_fleet(tmp_path / "cars", authored.CAR42, 3)
    text = _text(fleet_report(plan_fleet(FleetRequest.of(folder=tmp_path / "cars", mode="exact"))))
    assert "How many builds? 3 for 3 vehicles" in text and "What does sharing cost? nothing" in text
    assert "How far may a camera turn? not at all" in text and "Which vehicles are outliers? none" in text


def test_tables_without_room_say_what_keeps_some(tmp_path: Path) -> None:
    """The title of the rooms names the option; with it the title says no more."""
    write_fleet(tmp_path / "cars", authored.CAR42, 3)
    tight, wide = (
        FleetRequest.of(folder=tmp_path / "cars", mode="tables", spare=spare) for spare in (0.0, 0.03)
    )
    whole = "room of the neediest of 3 vehicles"
    assert room_parts(plan_fleet(tight).builds[0])[0] == f"{whole}: none; --spare keeps some"
    assert room_parts(plan_fleet(wide).builds[0])[0] == whole


def test_a_profile_that_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    """The page names the file that is not in the plan and why, without where it lies."""
    write_rig(tmp_path, authored.CAR42)
    (tmp_path / "broken.yaml").write_text("schema: specialize/profile@1\n", encoding="utf-8")
    html = fleet_report(plan_fleet(FleetRequest.of(folder=tmp_path)))
    assert "Not in the plan: broken.yaml: expected the key" in html and str(tmp_path) not in html


def test_a_hostile_name_is_text(tmp_path: Path) -> None:
    """Vehicles and cameras named like markup are shown as their names."""
    text = (DEMO / "van_01.yaml").read_text(encoding="utf-8")
    for car in range(2):
        hostile = re.sub(r"(?m)^vehicle:.*$", f'vehicle: "<b>x{car}</b>"', text)
        (tmp_path / f"{car}.yaml").write_text(hostile.replace("CAM_BACK\n", '"<i>y</i>"\n'), encoding="utf-8")
    html = fleet_report(plan_fleet(FleetRequest.of(folder=tmp_path)))
    assert "<b>x" not in html and "&lt;b&gt;x" in html
    assert "<i>y" not in html and "&lt;i&gt;y" in html


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fleet plan --report` writes the page beside what it prints, and exits as without it."""
    ran = run_here(capsys, "fleet", "plan", DEMO, "--dry-run", "--report", tmp_path / "fleet.html", "--json")
    assert ran.code == 0 and f"report: {tmp_path / 'fleet.html'}" in ran.err
    text = (tmp_path / "fleet.html").read_text(encoding="utf-8")
    assert text == fleet_report(plan_fleet(FleetRequest.of(folder=DEMO)))
