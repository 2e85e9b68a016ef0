"""The tutorial with an open data set works as written, on tables with two real calibrations of one car."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.calibration.formats.rigs import real
from tests.calibration.formats.test_nuscenes import write_tables
from tests.cli.running import REPOSITORY, run_process

TUTORIAL = REPOSITORY / "docs" / "guides" / "open-data.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
RIGS = {"before": "nuscenes_n008_2018-05-21", "after": "nuscenes_n008_2018-07-26_to_2018-09-18"}


def write_data_set(folder: Path) -> None:
    """Write tables in which two scenes have the two calibrations."""
    folder.mkdir()
    rigs = {token: real(name) for token, name in RIGS.items()}
    channels = (*rigs["before"].names(), "LIDAR_TOP")
    frames = [
        {
            "sample_token": f"sample-{token}",
            "is_key_frame": True,
            "calibrated_sensor_token": f"{token}/{channel}",
            "ego_pose_token": "none",
            "timestamp": 0,
            "width": 1600,
            "height": 900,
        }
        for token in RIGS
        for channel in channels
    ]
    scenes = [
        {"token": token, "name": f"scene-{token}", "first_sample_token": f"sample-{token}"} for token in RIGS
    ]
    write_tables(folder, rigs, sample_data=frames, scene=scenes)


@pytest.mark.timeout(900)
def test_the_day_runs_from_morning_to_evening(tmp_path: Path, store_dir: Path) -> None:
    """Each step succeeds, or exits 3, where the page says so, and leaves what the page promises."""
    write_data_set(tmp_path / "v1.0-trainval")
    place = tmp_path
    said: dict[str, str] = {}
    for line in "".join(BLOCK.findall(TUTORIAL.read_text())).splitlines():
        command, _, remark = line.removeprefix("$ ").partition("  #")
        words = shlex.split(command)
        if words[0] == "cd":
            place = place / words[1]
            continue
        ran = run_process(*words[1:], cwd=place, timeout_s=600, SPECIALIZE_STORE=str(store_dir))
        assert ran.code == (3 if "exits 3" in remark else 0), f"{line}\n{ran.out}\n{ran.err}"
        said[command] = ran.out
    moved = said["specialize diff n008.yaml today.yaml --report moved.html"]
    told = re.search(r"(\d+) mm and (\d+) mrad: (\d+ queries) gained, (\d+) lost", TUTORIAL.read_text())
    assert told is not None and f"different: {told[3]} of demo_encoder gained, {told[4]} lost" in moved
    assert f" {told[1]}." in moved and f" {told[2]}." in moved
    assert "fresh" in said["specialize check build/n008 --calib today.yaml"]
    assert (place / "moved.html").stat().st_size > 10_000
    assert (place / "today.safetensors").stat().st_size < 200_000
