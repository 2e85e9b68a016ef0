"""What every test gets: deterministic properties, no default store, and no silent skips in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Reasons with which a test may be skipped even in CI. Empty: the default install has all that tests need.
ALLOWED_SKIPS: tuple[str, ...] = ()

# A place that cannot exist, so that a test that forgets to name its store fails, in subprocesses too.
FORBIDDEN_STORE = "/dev/null/tests-name-their-own-store"

# Builds measure nothing unless a test asks for it: processes that are started take seconds. Set for the whole run,
# so that what fixtures of a module build, and processes that tests start, are no exception.
os.environ["SPECIALIZE_MEASURE"] = "0"

hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, print_blob=True, max_examples=50
)
hypothesis.settings.register_profile("dev", deadline=None, max_examples=50)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


@pytest.fixture(autouse=True)
def _no_default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECIALIZE_STORE", FORBIDDEN_STORE)


@pytest.fixture
def store_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty store of this test's own, which `SPECIALIZE_STORE` names."""
    root = tmp_path / "store"
    monkeypatch.setenv("SPECIALIZE_STORE", str(root))
    return root


@pytest.fixture
def shared_store_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the store that all tests of one run share: for exported models, which take long to make."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared_store"
    monkeypatch.setenv("SPECIALIZE_STORE", str(root))
    return root


@pytest.fixture(autouse=True, scope="session")
def _every_build_states_true_costs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Look at the manifest of every build that the tests of this process have made, once they are over."""
    yield
    found = list(tmp_path_factory.getbasetemp().rglob("manifest.json"))
    if found:
        from tests.built import false_statements

        wrong = [line for path in found for line in false_statements(path)]
        assert not wrong, "\n".join(wrong)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In CI, turn a skip that is not on the list into a failure."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Turn a module that skips itself while collected into a failure, in CI."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true" or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if any(allowed in reason for allowed in ALLOWED_SKIPS):
        return
    report.outcome = "failed"
    report.longrepr = f"skipped in CI, and no entry of ALLOWED_SKIPS in tests/conftest.py allows it: {reason}"
