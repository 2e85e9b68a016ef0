"""The page of a calibration in a real browser: no errors, nothing too wide, and every number on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specialize.calibration.load import load_profile
from specialize.files.resources import resource_dir
from specialize.report.profile import profile_report
from tests.report.browsing import least_contrast, open_report, overflow_px

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["car42.yaml", "kitti360_like.yaml"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a rig on disk."""
    profile = load_profile(resource_dir("calib_profiles") / request.param)
    path = tmp_path_factory.mktemp("rig") / "rig.html"
    path.write_text(profile_report(profile, ()), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 420])
def test_it_fits_and_is_kept_as_a_picture(
    browser: Any, report: Path, width: int, scheme: str, tmp_path: Path
) -> None:
    """At each width nothing is wider than the window, pictures have a size, and a screenshot is written."""
    assert overflow_px(browser, report, width) <= 0
    page, troubles = open_report(
        browser, report, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    boxes = [each.bounding_box() for each in page.locator("svg.picture:not(.key)").all()]
    assert len(boxes) >= 6 and all(box["width"] > 150 and box["height"] > 30 for box in boxes)
    page.screenshot(path=tmp_path / f"rig_{width}_{scheme}.png", full_page=True)
    assert troubles == []


def test_a_phone_keeps_every_number(browser: Any, report: Path) -> None:
    """Where the table does not fit, its rows become blocks in which each number is visible, with its name."""
    page, _ = open_report(browser, report, viewport={"width": 420, "height": 900})
    cells = page.locator("table.stack td").all()
    assert cells and all(cell.bounding_box()["x"] + cell.bounding_box()["width"] <= 420 for cell in cells)
    head = page.evaluate(
        "getComputedStyle(document.querySelector('table.stack td.figures'), '::before').content"
    )
    assert "image, px" in head


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_text_has_contrast(browser: Any, report: Path, scheme: str, media: str) -> None:
    """Colours of text can be read."""
    assert least_contrast(browser, report, scheme, media) >= 4.5
