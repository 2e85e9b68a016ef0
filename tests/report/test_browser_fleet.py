"""The report of a fleet's plan in a real browser: finds a vehicle, readable without scripts, dark and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specialize.fleet.plan import plan_fleet
from specialize.fleet.report import fleet_report
from specialize.fleet.request import FleetRequest
from tests.fleet.fleets import FOREIGN, mixed_fleet
from tests.report.browsing import least_contrast, open_report, overflow_px

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a fleet with several kinds of vehicles, on disk."""
    folder = mixed_fleet(tmp_path_factory.mktemp("fleet") / "mixed")
    plan = plan_fleet(
        FleetRequest.of(folder=folder, mode="envelope", tolerance="rotation=0.1deg", allow=FOREIGN)
    )
    path = tmp_path_factory.mktemp("report") / "fleet.html"
    path.write_text(fleet_report(plan), encoding="utf-8")
    return path


def test_it_opens_without_errors_and_requests(browser: Any, report: Path) -> None:
    """From a file URL there is no error on the console and no request to a network."""
    page, troubles = open_report(browser, report)
    assert page.title() == "mixed: 10 vehicles, 2 builds"
    assert troubles == []


def test_a_vehicle_is_found(browser: Any, report: Path) -> None:
    """Typing a part of a name opens the build that it belongs to, and hides the others."""
    page, troubles = open_report(browser, report)
    page.keyboard.press("Tab")  # the link that skips to the content
    field = page.locator("input.find")
    field.focus()
    page.keyboard.type("van_00002")
    assert page.locator("details.names:visible").count() == 1
    assert page.locator("details.names li:visible").all_text_contents() == ["van_00002"]
    assert page.locator(".found").text_content() == "1 vehicle"
    field.fill("")
    assert page.locator("details.names:visible").count() == 2
    assert page.locator("details.names[open]").count() == 0
    assert troubles == []


def test_a_build_leads_to_its_section(browser: Any, report: Path) -> None:
    """The key of a build in the table is a link to what the page says about it."""
    page, _ = open_report(browser, report)
    link = page.locator("tbody th a").first
    link.focus()
    page.keyboard.press("Enter")
    name = link.text_content()
    assert page.url.endswith(f"#build-{name}")
    assert page.locator(f"h3#build-{name}").is_visible()


def test_it_is_readable_without_scripts(browser: Any, report: Path) -> None:
    """Without JavaScript everything is there but the search, and the lists of vehicles open by themselves."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator(".fact").count() == 4 and page.locator(".strip svg").count() > 6
    assert not page.locator("input.find").is_visible()
    page.locator("details.names summary").first.click()
    assert page.locator("details.names li").first.is_visible()
    context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(browser: Any, report: Path, width: int) -> None:
    """On a phone and on a desk the page does not scroll sideways."""
    assert overflow_px(browser, report, width) <= 0


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_text_has_contrast(browser: Any, report: Path, scheme: str, media: str) -> None:
    """Every colour of text has a contrast of at least 4.5 to the page, in light, dark and print."""
    assert least_contrast(browser, report, scheme, media) >= 4.5
