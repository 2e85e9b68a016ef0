"""Every kind of page at three widths, in light and dark: nothing too wide, no error, and a picture to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from specialize.calibration.load import load_profile
from tests.cli.running import CAR42, REPOSITORY, run_process
from tests.report.browsing import hidden_cells, open_report, overflow_px

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAGES = {
    "build": (),
    "images": ("report", "build/car42", "--images", "frames", "-o", "images.html"),
    "times": ("report", "build/car42", "--bench", "--rounds", "1", "-o", "times.html"),
    "diff": ("diff", "car42.yaml", "car43.yaml", "--report", "diff.html"),
    "fleet": ("fleet", "plan", "fleet", "--dry-run", "--report", "fleet.html"),
    "rig": ("profile", "show", "car42.yaml", "--model", "encoder.onnx", "--report", "rig.html"),
    "lenses": ("profile", "show", "fisheye.yaml", "--report", "lenses.html"),
}
"""Page -> the command that writes it, in a folder with a demo; the first is part of the build."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every page."""
    folder = tmp_path_factory.mktemp("pages")
    profiles = REPOSITORY / "calib_profiles"
    (folder / "fleet").symlink_to(profiles / "demo_fleet")
    (folder / "fisheye.yaml").symlink_to(profiles / "fisheye4.yaml")
    (folder / "frames").mkdir()
    for number, name in enumerate(load_profile(CAR42).camera_names()):
        Image.new("RGB", (800, 450), (40 + 30 * number, 90, 120)).save(folder / "frames" / f"{name}.png")
    for command in (("demo", "-o", "."), *filter(None, PAGES.values())):
        ran = run_process(*command, cwd=folder, timeout_s=600, SPECIALIZE_STORE=str(folder / "store"))
        assert ran.code in (0, 3), ran.err
    (folder / "build.html").symlink_to(folder / "build" / "car42" / "report.html")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 420])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_is_kept_as_a_picture(
    browser: Any, place: Path, name: str, width: int, scheme: str
) -> None:
    """At each width nothing is wider than the window, each number is seen, and `NAME_WIDTH_SCHEME.png` is written."""
    page = place / f"{name}.html"
    assert overflow_px(browser, page, width) <= 0
    assert hidden_cells(browser, page, width) == []
    view, troubles = open_report(browser, page, viewport={"width": width, "height": 900}, color_scheme=scheme)
    picture = place / f"{name}_{width}_{scheme}.png"
    view.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000 and troubles == []
