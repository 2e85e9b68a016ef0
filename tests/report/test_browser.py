"""The report in a real browser: no errors, interactions work, readable without scripts, dark and on paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specialize.report import build_page, render
from tests.report import pages

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report on disk."""
    plans = pages.plans()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render("build.html", build_page(pages.manifest(plans[0]), plans)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def _open(browser: Any, report: Path, **options: Any) -> tuple[Any, list[str]]:
    page = browser.new_page(**options)
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: troubles.append(request.url) if "http" in request.url[:5] else None)
    page.goto(report.as_uri())
    return page, troubles


def test_it_opens_without_errors_and_requests(browser: Any, report: Path) -> None:
    """From a file URL there is no error on the console and no request to a network."""
    page, troubles = _open(browser, report)
    assert page.title() == "bevformer_tiny for car42"
    assert troubles == []


def test_the_map_answers_by_mouse_and_keyboard(browser: Any, report: Path) -> None:
    """Pointing at a cell and moving with the arrow keys both name the cameras that see it."""
    page, troubles = _open(browser, report)
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
    page, _ = _open(browser, report)
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
    page, _ = _open(browser, report, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_text_has_contrast(browser: Any, report: Path, scheme: str, media: str) -> None:
    """Every colour of text has a contrast of at least 4.5 to the page, in light, dark and print."""
    page, _ = _open(browser, report, color_scheme=scheme)
    page.emulate_media(media=media)
    contrasts = page.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
          const light = (name) => {
            const hex = style.getPropertyValue(name).trim().slice(1);
            const [r, g, b] = [0, 2, 4].map((i) => linear(parseInt(hex.slice(i, i + 2), 16) / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          const names = ["--text", "--quiet", "--good", "--bad", "--mark"];
          return names.flatMap((name) => ["--page", "--panel"].map((on) => contrast(light(name), light(on))));
        }"""
    )
    assert min(contrasts) >= 4.5
