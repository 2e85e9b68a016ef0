"""Many calibrations of another format become a folder of profiles; a bad one stops no other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.table import Vehicles
from specialize.errors import InputError, UsageError
from specialize.fleet.importing import import_fleet
from tests.calibration import authored
from tests.cli.running import run_here
from tests.fleet.fleets import profile_of

SIZE = {"size": "1600x900"}


def write_sources(folder: Path, count: int) -> list[Path]:
    """Write vehicles as plain matrices, as demos of deployed models ship them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(1, count + 1):
        rig = authored.assembled(authored.CAR42, f"car_{number:05}")
        matrices = profile_of(rig).image_from_lidar().tolist()
        paths.append(folder / f"{rig.vehicle}.json")
        paths[-1].write_text(json.dumps({"lidar2img": matrices}))
    return paths


def test_every_source_becomes_a_profile(tmp_path: Path) -> None:
    """Each vehicle's profile has the matrices of its source, and is named like the vehicle."""
    sources = write_sources(tmp_path / "in", 3)
    found = import_fleet("lidar2img", sources, SIZE, tmp_path / "out")
    assert [one.vehicle for one in found.vehicles] == ["car_00001", "car_00002", "car_00003"]
    assert not found.failed and all(one.usable for one in found.vehicles)
    for one in found.vehicles:
        profile = load_profile(one.path)
        assert one.path == tmp_path / "out" / f"{one.vehicle}.yaml" and profile.vehicle == one.vehicle
        stated = json.loads(one.source.read_text())["lidar2img"]
        np.testing.assert_allclose(profile.image_from_lidar(), stated, rtol=1e-9)


def test_several_processes_write_the_same(tmp_path: Path) -> None:
    """The number of processes changes no byte."""
    sources = write_sources(tmp_path / "in", 40)
    for jobs in (1, 2):
        import_fleet("lidar2img", sources, SIZE, tmp_path / f"out{jobs}", jobs)
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / f"out{jobs}").iterdir()} for jobs in (1, 2))
    assert len(first) == 40 and first == second


def test_a_bad_source_stops_no_other(tmp_path: Path) -> None:
    """A damaged file and a second vehicle of one name are reported; what lint finds is kept per vehicle."""
    sources = write_sources(tmp_path / "in", 2)
    (tmp_path / "broken.json").write_text("{")
    twin = write_sources(tmp_path / "twin", 1)
    found = import_fleet(
        "lidar2img", [*sources, tmp_path / "broken.json", *twin], {"size": "800x450"}, tmp_path / "out"
    )
    assert [one.vehicle for one in found.vehicles] == ["car_00001", "car_00002"]
    assert [one.path for one in found.failed] == [tmp_path / "broken.json", *twin]
    assert "car_00001" in found.failed[1].reason
    assert not any(one.usable for one in found.vehicles)
    assert {rule.code for one in found.vehicles for rule in one.findings} >= {"intrinsic-resolution"}


def test_a_wrong_option_is_said_once(tmp_path: Path) -> None:
    """What is wrong for all is an error before anything is read."""
    sources = write_sources(tmp_path / "in", 1)
    with pytest.raises(UsageError, match="did you mean 'size'"):
        import_fleet("lidar2img", sources, {"sise": "1x1"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_imports_and_leads_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fleet import` prints what was found, as text and JSON, and exits 1 if one could not be imported."""
    sources = write_sources(tmp_path / "in", 2)
    line = ("fleet", "import", "lidar2img", *sources, "-o", tmp_path / "out", "-O")
    ran = run_here(capsys, *line, "size=1600x900", "--json")
    assert ran.code == 0 and len(json.loads(ran.out)["vehicles"]) == 2
    text = run_here(capsys, *line, "size=800x450").out
    assert "intrinsic-resolution" in text and f"next: specialize fleet diff {tmp_path / 'out'}" in text
    (tmp_path / "broken.json").write_text("{")
    ran = run_here(capsys, "fleet", "import", "lidar2img", tmp_path / "broken.json", "-o", tmp_path / "out")
    assert ran.code == 1 and "broken.json" in ran.out
    assert run_here(capsys, *line, "size").code == 2


def test_a_table_is_written_as_the_folder_is(tmp_path: Path) -> None:
    """The same profiles as rows; what cannot be read, and a second of a name, is left out; findings are told."""
    sources = [
        *write_sources(tmp_path / "in", 3),
        tmp_path / "missing.json",
        *write_sources(tmp_path / "more", 1),
    ]
    folder = import_fleet("lidar2img", sources, SIZE, tmp_path / "out")
    table = import_fleet("lidar2img", sources, SIZE, tmp_path / "out.parquet")
    assert (folder.written, table.written, len(table.failed), len(folder.failed)) == (3, 3, 2, 2)
    assert [load_profile(path).digest for path in Vehicles(tmp_path / "out.parquet")] == [
        load_profile(one.path).digest for one in folder.vehicles
    ]
    told = {one.vehicle: one.findings for one in folder.vehicles if one.findings}
    assert {one.vehicle: one.findings for one in table.vehicles} == told
    with pytest.raises(InputError, match="a calibration that can be imported"):
        import_fleet("lidar2img", sources[3:4], SIZE, tmp_path / "none.parquet")
    assert not (tmp_path / "none.parquet").exists()


def test_more_sources_than_a_command_line_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--paths` names a file with one on each line; without any source the command says what is wanted."""
    listed = tmp_path / "list"
    listed.write_text("".join(f"{path}\n" for path in write_sources(tmp_path / "in", 2)) + "\n")
    words = ("fleet", "import", "lidar2img", "-O", "size=1600x900", "-o", tmp_path / "out.parquet")
    ran = run_here(capsys, *words, "--paths", listed)
    assert (ran.code, "imported 2 vehicles" in ran.out) == (0, True)
    assert run_here(capsys, *words).code == 2
