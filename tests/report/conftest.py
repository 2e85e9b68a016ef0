"""A browser to look at reports with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.report import browsing


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if browsing.CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browsing.CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()
