"""The statement of test results of a build that was proven at its sites."""

from __future__ import annotations

from pathlib import Path

from specialize.artifact import Build
from specialize.attest.results import test_result as result_of
from specialize.compiler.build import build
from specialize.request import BuildRequest
from tests.calibration import authored
from tests.cli.running import CAR42
from tests.end_to_end.tiny_cut import write_cut
from tests.fleet.fleets import write_rig


def test_it_says_what_was_compared_and_what_is_equal_to_which_build(tmp_path: Path, store_dir: Path) -> None:
    """The checks name the sites, the build that the rest equals, and that the cameras move what was compared."""
    model = str(write_cut(tmp_path / "model"))
    first, second = tmp_path / "first", tmp_path / "second"
    build(BuildRequest(calib=CAR42, model=model, output=first, frames=2, record=True))
    other = write_rig(tmp_path, authored.assembled(authored.CAR42, "car_00002"))
    build(BuildRequest(calib=other, model=model, output=second, frames=2))
    made = Build.open(second)
    files = {name: record.sha256 for name, record in made.manifest.files.items()}
    found = result_of(made.manifest, {**files, "manifest.json": "sha256:" + "0" * 64}).predicate
    (value,) = made.manifest.verify.outputs
    key = Build.open(first).manifest.digests.build
    assert {
        "comparison with the original at the sites",
        f"nodes and weights elsewhere: those of build {key}, proven whole",
        f"value at a site {value}: moves with the cameras",
        f"value at a site {value}: equals the original's",
    } <= set(found.passed_tests)
    assert not any(name.startswith("output ") for name in found.passed_tests)
    compared = found.configuration[-1].annotations
    assert compared is not None and compared["proof"] == "sites" and compared["at"]["build"] == key
