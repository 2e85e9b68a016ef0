"""What tests in a browser ask of every report: no errors, no network, and colours that can be read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

CONTRAST = """() => {
  const style = getComputedStyle(document.documentElement);
  const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (name) => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    const [r, g, b] = [0, 2, 4].map((i) => linear(parseInt(hex.slice(i, i + 2), 16) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const names = ["--text", "--quiet", "--good", "--bad", "--mark", "--link"];
  return names.flatMap((name) => ["--page", "--panel"].map((on) => contrast(light(name), light(on))));
}"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield headless Chromium; skip the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_report(browser: Any, report: Path, **options: Any) -> tuple[Any, list[str]]:
    """Open a file in a new tab; return it and a list to which errors and requests to a network are added."""
    page = browser.new_page(**options)
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: troubles.append(request.url) if "http" in request.url[:5] else None)
    page.goto(report.as_uri())
    return page, troubles


def overflow_px(browser: Any, report: Path, width: int) -> int:
    """Return by how much a report is wider than a window."""
    page, _ = open_report(browser, report, viewport={"width": width, "height": 800})
    return int(page.evaluate("document.documentElement.scrollWidth")) - width


_HIDDEN = """() => [...document.querySelectorAll("td")]
  .filter(cell => cell.offsetParent && cell.getBoundingClientRect().right > innerWidth + 1)
  .map(cell => cell.textContent)"""


def hidden_cells(browser: Any, report: Path, width: int) -> list[str]:
    """Return the cells of tables that one sees in a window of a width only after scrolling to the side."""
    page, _ = open_report(browser, report, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    return [str(text) for text in page.evaluate(_HIDDEN)]


def least_contrast(browser: Any, report: Path, scheme: str, media: str) -> float:
    """Return the least contrast of a colour of text to what it stands on."""
    page, _ = open_report(browser, report, color_scheme=scheme)
    page.emulate_media(media=media)
    return float(min(page.evaluate(CONTRAST)))
