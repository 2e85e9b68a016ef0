"""Carrying out a fleet's plan: everything once, in spite of failures, kills and company."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from specialize.artifact import Build
from specialize.errors import DeclinedError, InputError, UsageError, VerificationError
from specialize.explain.drift import check
from specialize.fleet import worker as worker_module
from specialize.fleet.build import build_fleet
from specialize.fleet.builds import FleetBuilt
from specialize.fleet.executors import executor_of
from specialize.fleet.lock import NAME, lock_of, read_lock, write_lock
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest, PlanMode
from specialize.fleet.retention import builds_named
from specialize.fleet.storage import unpack_build
from specialize.fleet.tasks import is_sampled
from specialize.request import BuildOutcome, BuildRequest
from specialize.store import Store, collect, damages, open_store
from tests.calibration import authored
from tests.cli.running import REPOSITORY
from tests.end_to_end.tiny_model import CAMERAS, CHANNELS, COLUMNS, GRID, ROWS, write_tiny
from tests.fleet.fleets import write_fleet, write_rig

# Builds one fleet, and hangs before the second entry of a build is written.
HANG_AT_THE_SECOND = """
import sys, time
from pathlib import Path
from specialize.fleet.build import build_fleet
from specialize.store import Store
write, made = Store.write_entry, []
def hang(self, entry):
    if entry.kind == "build":
        made.append(entry)
        if len(made) == 2:
            print("ready", flush=True)
            time.sleep(60)
    write(self, entry)
Store.write_entry = hang
build_fleet(Path(sys.argv[1]))
"""
BUILD = (
    "import sys; from pathlib import Path; from specialize.fleet.build import build_fleet; "
    "sys.exit(build_fleet(Path(sys.argv[1])).exit_code)"
)


def locked(folder: Path, mode: PlanMode = "exact", count: int = 3, **options: object) -> Path:
    """Plan a fleet of the tiny model in `folder` and return its lock."""
    model = write_tiny(folder / "model")
    fleet = folder / "fleet"
    write_fleet(fleet, authored.CAR42, count)
    request = FleetRequest.of(folder=fleet, model=str(model), mode=mode, frames=1, **options)  # type: ignore[arg-type]
    write_lock(lock_of(plan_fleet(request, jobs=1)), fleet / NAME)
    return fleet / NAME


@pytest.mark.parametrize("mode", ["exact", "envelope", "tables"])
def test_a_fleet_for_a_chip(mode: PlanMode, tmp_path: Path, store_dir: Path) -> None:
    """Target, form and precision stand in the lock, and every build is made so, with the files of the toolchain."""
    frames = tmp_path / "frames"
    frames.mkdir()
    shapes = {"query": (1, GRID.queries, CHANNELS), "features": (CAMERAS, CHANNELS, ROWS, COLUMNS)}
    np.savez(
        frames / "0.npz", **{name: np.random.default_rng(0).random(shape) for name, shape in shapes.items()}
    )
    asked = {"target": "axera", "attention": "decomposed", "precision": "int8", "frames_dir": frames}
    lock = locked(tmp_path, mode, count=2, **asked)
    assert (
        read_lock(lock).request.build.precision == "int8" and read_lock(lock).request.build.target == "axera"
    )
    built = build_fleet(lock, output=tmp_path / "out")
    assert set(statuses(built)) == {"built"}
    for one in built.builds:
        assert one.folder is not None
        manifest = Build.open(one.folder).manifest
        assert manifest.precision is not None and manifest.precision.frames == 1
        assert (manifest.target, manifest.precision.name) == ("axera", "int8")
        assert (one.folder / "config.json").is_file() and '"int8"' in (
            one.folder / "specialize_model.h"
        ).read_text()
    assert set(statuses(build_fleet(lock))) == {"reused"}
    plain = locked(tmp_path / "plain", mode, count=2)
    assert not set(read_lock(lock).builds) & set(read_lock(plain).builds)


def test_what_a_target_does_not_take_is_refused_by_the_plan(tmp_path: Path) -> None:
    """No lock is written that no build can carry out."""
    for asked, error, text in (
        ({"target": "axera", "precision": "fp16"}, DeclinedError, "casts to float16"),
        ({"target": "qnn", "attention": "denglin"}, UsageError, "for qnn, got 'denglin'"),
        ({"target": "qmm"}, UsageError, "did you mean|one of onnxruntime"),
        ({"frames_dir": tmp_path}, UsageError, "--precision fp16 or int8"),
        ({"frames_dir": tmp_path / "none", "precision": "int8"}, InputError, "no such folder"),
    ):
        with pytest.raises(error, match=text):
            locked(tmp_path / "refused", count=1, **asked)
        assert not (tmp_path / "refused" / "fleet" / NAME).exists()


def entries(store: Store, kind: str = "build") -> dict[str, dict[str, str]]:
    """Return the objects of every entry of a kind by its key."""
    return {entry.key: entry.objects for entry in store.entries() if entry.kind == kind}


def statuses(built: FleetBuilt) -> list[str]:
    """Return what became of each build."""
    return [build.status for build in built.builds]


def test_every_vehicle_gets_its_build_and_weights_are_kept_once(tmp_path: Path, store_dir: Path) -> None:
    """In mode exact the store holds one build a vehicle, one object of weights, and little more for each."""
    built = build_fleet(locked(tmp_path))
    assert (statuses(built), built.exit_code) == (["built"] * 3, 0)
    made = entries(open_store())
    assert set(made) == {build.key for build in built.builds}
    assert len({objects["weights.bin"] for objects in made.values()}) == 1
    assert len({objects["model.onnx.z"] for objects in made.values()}) == 3
    assert all(0 < build.own_bytes < 100_000 for build in built.builds)


def test_weights_that_the_store_has_are_not_written(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build for the store goes without the model's weights, and says the same of them as one that has them."""
    folders = []
    real = worker_module.build

    def looked_at(request: BuildRequest) -> BuildOutcome:
        made = real(request)
        folders.append({path.name for path in made.build_dir.iterdir()})
        alone = real(
            dataclasses.replace(request, output=tmp_path / request.calib.parent.name, for_store=False)
        )
        assert alone.manifest.files == made.manifest.files
        return made

    monkeypatch.setattr(worker_module, "build", looked_at)
    built = build_fleet(locked(tmp_path), output=tmp_path / "out")
    assert statuses(built) == ["built"] * 3
    assert all("model.onnx" in names and "weights.bin" not in names for names in folders)
    assert all(
        build.folder is not None and (build.folder / "weights.bin").is_file() for build in built.builds
    )


def test_a_second_run_makes_nothing(tmp_path: Path, store_dir: Path) -> None:
    """What the store has is not made again; what it lost is."""
    lock = locked(tmp_path)
    build_fleet(lock)
    assert statuses(build_fleet(lock)) == ["reused"] * 3
    store = open_store()
    entry = next(entry for entry in store.entries() if entry.kind == "build")
    store.discard_entry(entry.kind, entry.key)
    assert sorted(statuses(build_fleet(lock))) == ["built", "reused", "reused"]


def test_builds_laid_out_are_builds(tmp_path: Path, store_dir: Path) -> None:
    """A build laid out in a folder is intact, and fresh for its vehicle alone."""
    lock = locked(tmp_path)
    built = build_fleet(lock, output=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")) == [
        "car_00001", "car_00002", "car_00003",
    ]  # fmt: skip
    for build in built.builds:
        assert build.folder is not None
        Build.open(build.folder).require_intact()
        assert check(build.folder, lock.parent / f"{build.vehicles[0]}.yaml").fresh
    assert not check(tmp_path / "out" / "car_00001", lock.parent / "car_00002.yaml").fresh


@pytest.mark.parametrize("tolerance", ["", "profile", "rotation=3mrad"])
def test_an_envelope_serves_all_with_one_build(tmp_path: Path, store_dir: Path, tolerance: str) -> None:
    """In mode envelope one build serves three cars, and computes as many pairs as the plan said."""
    lock = locked(tmp_path, "envelope", max_overhead=0.5, tolerance=tolerance)
    planned = read_lock(lock)
    built = build_fleet(lock, output=tmp_path / "out")
    assert [len(build.vehicles) for build in built.builds] == [3]
    assert built.builds[0].folder is not None
    manifest = Build.open(built.builds[0].folder).manifest
    assert manifest.mode == "envelope"
    assert [sum(row) for row in planned.builds[built.builds[0].key].lengths] == [manifest.sites[0].pairs]


def test_a_failure_stops_nobody(tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that is not equal to its original fails with exit code 4; a bug with 70; the others are made."""
    lock = locked(tmp_path)
    real = worker_module.build

    def broken(request: object, *rest: object) -> object:
        text = request.calib.read_text()  # type: ignore[attr-defined]
        if "car_00002" in text:
            raise VerificationError("output bev", "equal outputs", "others")
        if "car_00003" in text:
            raise ZeroDivisionError("oh")
        return real(request, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(worker_module, "build", broken)
    built = build_fleet(lock)
    assert statuses(built) == ["built", "failed", "failed"]
    assert [build.exit_code for build in built.builds] == [0, 4, 70]
    assert "equal outputs" in built.builds[1].reason
    assert built.exit_code == 70
    monkeypatch.setattr(worker_module, "build", real)
    assert statuses(build_fleet(lock)) == ["reused", "built", "built"]


def test_profiles_that_changed_since_the_plan_are_left_out(tmp_path: Path, store_dir: Path) -> None:
    """A vehicle whose profile is gone or not the one of the lock is reported; the others are built."""
    lock = locked(tmp_path)
    write_rig(lock.parent, authored.knocked(authored.assembled(authored.CAR42, "car_00002"), "CAM_BACK", 1.0))
    (lock.parent / "car_00003.yaml").unlink()
    built = build_fleet(lock)
    assert statuses(built) == ["built", "failed", "failed"]
    assert [one.vehicle for one in built.left_out] == ["car_00002", "car_00003"]
    assert "plan the fleet again" in built.left_out[0].reason
    assert built.exit_code == 1


def test_another_sidecar_needs_another_plan(tmp_path: Path, store_dir: Path) -> None:
    """A model whose grids changed since the plan is not built by it."""
    lock = locked(tmp_path)
    sidecar = tmp_path / "model" / "tiny.model.yaml"
    sidecar.write_text(sidecar.read_text().replace("anchors: 2", "anchors: 3"))
    with pytest.raises(InputError, match="plan the fleet again"):
        build_fleet(lock)


def test_several_processes_make_the_same(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes leave the same objects in the store as one."""
    lock = locked(tmp_path)
    with executor_of(jobs=2) as executor:
        build_fleet(lock, executor)
    first = entries(open_store())
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "other"))
    build_fleet(lock)
    assert entries(open_store()) == first


def run_process(code: str, lock: Path, store: Path) -> subprocess.Popen[str]:
    """Start a fleet build in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SPECIALIZE_STORE": str(store)}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], env=env, stdout=subprocess.PIPE, text=True
    )


def test_a_killed_build_goes_on_where_it_was(tmp_path: Path, store_dir: Path) -> None:
    """Kill -9 in the middle, run again: the first build is reused, and the bytes are those of an undisturbed run."""
    lock = locked(tmp_path)
    process = run_process(HANG_AT_THE_SECOND, lock, store_dir)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    process.stdout.close()
    assert len(entries(open_store())) == 1
    assert statuses(build_fleet(lock)) == ["reused", "built", "built"]
    undisturbed = tmp_path / "undisturbed"
    done = run_process(BUILD, lock, undisturbed)
    assert done.wait(timeout=120) == 0
    assert done.stdout is not None
    done.stdout.close()
    assert entries(Store(undisturbed)) == entries(open_store())
    assert list(damages(Store(undisturbed), Store(undisturbed).digests())) == []


def test_two_fleets_at_once_share_a_store(tmp_path: Path, store_dir: Path) -> None:
    """Two processes that build the same fleet and another one into one store both end well, nothing damaged."""
    first, second = locked(tmp_path / "a"), locked(tmp_path / "b", count=4)
    shutil.copyfile(tmp_path / "a" / "model" / "tiny.onnx", tmp_path / "b" / "model" / "tiny.onnx")
    processes = [run_process(BUILD, lock, store_dir) for lock in (first, second, first)]
    assert [process.wait(timeout=240) for process in processes] == [0, 0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    store = open_store()
    assert set(entries(store)) == set(read_lock(first).builds) | set(read_lock(second).builds)
    assert list(damages(store, store.digests())) == []
    assert statuses(build_fleet(second)) == ["reused"] * 4


def test_collection_keeps_what_any_lock_names(tmp_path: Path, store_dir: Path) -> None:
    """Collection removes the build of a vehicle that left its fleet, and keeps those of every other fleet."""
    first, second = locked(tmp_path / "a", count=2), locked(tmp_path / "b", "envelope", 2, max_overhead=0.5)
    store = open_store()
    assert builds_named(store) is None
    build_fleet(first)
    build_fleet(second)
    assert collect(store, builds_named(store), dry_run=True).entries == ()
    (first.parent / "car_00002.yaml").unlink()
    request = read_lock(first).request
    write_lock(lock_of(plan_fleet(request, jobs=1)), first)
    gone = collect(store, builds_named(store), dry_run=False, grace_s=-1)
    assert len(gone.entries) == 1
    assert {objects["profile.yaml.z"] for objects in entries(store).values()} <= set(store.digests())
    assert statuses(build_fleet(second)) == ["reused"]
    shutil.rmtree(tmp_path / "b")
    assert collect(store, builds_named(store), dry_run=True).entries == ()


def test_what_is_not_there_is_explained(tmp_path: Path, store_dir: Path) -> None:
    """No lock, an unknown build, an unknown engine and a scheduler without dask are errors."""
    with pytest.raises(InputError, match="fleet plan"):
        build_fleet(tmp_path / NAME)
    with pytest.raises(InputError, match="fleet build"):
        unpack_build(open_store(), "sha256:" + "0" * 64, tmp_path / "x")
    with pytest.raises(UsageError, match="did you mean 'dask'"), executor_of("task"):
        pass
    with pytest.raises(UsageError, match="--scheduler"), executor_of("local", "tcp://x"):
        pass
    with pytest.raises(UsageError, match="--jobs"), executor_of(jobs=0):
        pass


@pytest.mark.slow
def test_dask_makes_the_same(tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dask cluster on this machine leaves the same objects in the store as one process."""
    lock = locked(tmp_path)
    with executor_of("dask", jobs=2) as executor:
        built = build_fleet(lock, executor)
    assert statuses(built) == ["built"] * 3
    first = entries(open_store())
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "other"))
    build_fleet(lock)
    assert entries(open_store()) == first


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_an_error(tmp_path: Path, store_dir: Path) -> None:
    """An address without a listener is an error, not an endless wait."""
    with pytest.raises(InputError, match="no answer"), executor_of("dask", "tcp://127.0.0.1:9"):
        pass


def test_vehicles_after_the_first_are_proven_at_their_sites(tmp_path: Path, store_dir: Path) -> None:
    """The first exact build is proven whole and records; a sample is whole too; the lock may ask for all."""
    lock = locked(tmp_path, count=4)
    built = build_fleet(lock)
    members = [build.members[0] for build in read_lock(lock).in_order()]
    sampled = [is_sampled(one) for one in members]
    assert [one.proof for one in built.builds] == [
        "whole",
        *("whole" if it else "sites" for it in sampled[1:]),
    ]
    assert "sites" in [one.proof for one in built.builds]
    (entry,) = (entry for entry in open_store().entries() if entry.kind == "recording")
    assert entry.info["vehicle"] == members[0].vehicle and "KiB" in entry.title
    again = locked(tmp_path, count=4, proof="whole")
    redone = build_fleet(again)
    assert {one.proof for one in redone.builds} == {"whole"}
    assert statuses(redone) == ["reused" if one.proof == "whole" else "built" for one in built.builds]


def test_a_recording_of_older_code_is_collected(tmp_path: Path, store_dir: Path) -> None:
    """What this version can prove builds with is kept; what another version recorded is garbage."""
    build_fleet(locked(tmp_path, count=2))
    store = open_store()
    assert collect(store, None, dry_run=True, grace_s=-60).objects == ()
    (entry,) = (entry for entry in store.entries() if entry.kind == "recording")
    store.write_entry(msgspec.structs.replace(entry, info={**entry.info, "code": "older"}))
    assert collect(store, None, dry_run=False, grace_s=-60).entries == (entry.key,)
    assert not any(store.has(digest) for digest in entry.objects.values())
