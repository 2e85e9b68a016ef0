"""The report in a real browser: no errors, interactions work, readable without scripts, dark and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specialize.report.build import build_page
from specialize.report.html import to_html
from tests.report import pages
from tests.report.browsing import least_contrast, open_report, overflow_px

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report on disk."""
    plans = pages.plans()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(to_html(build_page(pages.manifest(plans[0]), plans)), encoding="utf-8")
    return path


def test_it_opens_without_errors_and_requests(browser: Any, report: Path) -> None:
    """From a file URL there is no error on the console and no request to a network."""
    page, troubles = open_report(browser, report)
    assert page.title() == "bevformer_tiny for car42"
    assert troubles == []


def test_the_map_answers_by_mouse_and_keyboard(browser: Any, report: Path) -> None:
    """Pointing at a cell and moving with the arrow keys both name the cameras that see it."""
    page, troubles = open_report(browser, report)
    box = page.locator("svg.map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    readout = page.locator(".readout")
    assert "seen by CAM_FRONT" in readout.text_content()
    page.locator("svg.map").focus()
    before = readout.text_content()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert readout.text_content() != before and "m, cell" in readout.text_content()
    assert troubles == []


def test_a_camera_can_be_shown_on_the_map(browser: Any, report: Path) -> None:
    """The button shows and hides the camera's footprint, and says so to assistive technology."""
    page, _ = open_report(browser, report)
    button, footprint = page.locator('button[data-camera="3"]'), page.locator('.shown[data-camera="3"]')
    assert not footprint.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    assert footprint.is_visible() and button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not footprint.is_visible() and button.get_attribute("aria-pressed") == "false"


def test_it_is_readable_without_scripts(browser: Any, report: Path) -> None:
    """Without JavaScript everything is there but the buttons and the readout, which need it."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator(".fact").count() == 4 and page.locator(".camera").count() == 6
    assert not page.locator("button").first.is_visible() and not page.locator(".readout").is_visible()
    context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(browser: Any, report: Path, width: int) -> None:
    """On a phone and on a desk the page does not scroll sideways."""
    assert overflow_px(browser, report, width) <= 0


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_text_has_contrast(browser: Any, report: Path, scheme: str, media: str) -> None:
    """Every colour of text has a contrast of at least 4.5 to the page, in light, dark and print."""
    assert least_contrast(browser, report, scheme, media) >= 4.5
