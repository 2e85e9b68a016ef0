"""The guards of the test suite are themselves seen to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

BODIES = {
    "mark": "import pytest\n@pytest.mark.skip(reason='tired')\ndef test_a(): pass\n",
    "call": "import pytest\ndef test_a(): pytest.skip('tired')\n",
    "module": "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n",
}


def run_inner(folder: Path, body: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one file in an empty project that has only our conftest."""
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "test_inner.py").write_text(body)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    env = {**os.environ, "CI": ci}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_an_unexpected_skip_fails_in_ci(tmp_path: Path, kind: str) -> None:
    """In CI a skipped test, in whatever way it skips, makes the run fail and names the reason."""
    result = run_inner(tmp_path, BODIES[kind], ci="true")
    assert result.returncode not in (0, 5)
    assert "ALLOWED_SKIPS" in result.stdout


def test_a_skip_is_only_a_skip_elsewhere(tmp_path: Path) -> None:
    """On a developer's machine a skipped test stays skipped."""
    assert run_inner(tmp_path, BODIES["mark"], ci="").returncode == 0


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    """A strict expected failure is not counted as a skip in CI."""
    body = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): assert False\n"
    assert run_inner(tmp_path, body, ci="true").returncode == 0
