"""How a task is carried out, on any machine.

What is in the store already is not made again, so an interrupted fleet goes on where it was, and two of them at once
make everything once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from specialize.calibration.document import parse_document
from specialize.calibration.load import parse_profile
from specialize.calibration.off import without
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.build import build
from specialize.compiler.generic import generic_model
from specialize.compiler.key import build_key
from specialize.compiler.unpacked import keep
from specialize.errors import SpecializeError
from specialize.files.scratch import work_folder
from specialize.fleet.builds import BuiltBuild, done, failed
from specialize.fleet.request import OWN_TOLERANCE, FleetRequest
from specialize.fleet.storage import KIND, put_parts
from specialize.fleet.tasks import Task
from specialize.request import BuildOptions, BuildRequest
from specialize.store import Entry, Store, is_intact, open_store
from specialize.store.location import VARIABLE


def carry_out(task: Task) -> BuiltBuild:
    """Make a build unless the store has it; a failure is a result, not an exception."""
    start = time.perf_counter()
    keep()
    try:
        with opened(task.store) as store:
            made = _make(task, store)
    except SpecializeError as error:
        return failed(task.build, str(error), error.exit_code, time.perf_counter() - start)
    except Exception as error:
        reason = "".join(traceback.format_exception_only(error)).strip()
        return failed(task.build, f"a bug in specialize: {reason}", 70, time.perf_counter() - start)
    return done(task.build, "built" if made else "reused", time.perf_counter() - start)


def _make(task: Task, store: Store) -> bool:
    """Put the build into the store; return whether there was something to do."""
    planned = task.build
    with (
        store.making(KIND, planned.key),
        work_folder(store.scratch(), "fleet") as folder,
    ):
        request = _request(task, folder)
        generic = generic_model(request, store, _quiet)
        first, count = task.members[0].vehicle, len(task.members)
        profile = without(parse(task.profiles[first], first), request.without)
        key = build_key(request, profile, generic).identity().digest()
        entry = store.find_entry(KIND, planned.key)
        if (
            entry is not None
            and entry.info.get("build") == key
            and _proven(entry, task)
            and is_intact(store, entry)
        ):
            return False
        made = build(request)
        objects = put_parts(store, made.build_dir, made.manifest)
        more = f" and {count - 1} more" if count > 1 else ""
        title = f"{made.manifest.model} {planned.mode} for {first}{more}"
        info = {
            "build": key,
            "manifest": made.manifest.digests.build,
            "mode": planned.mode,
            "vehicles": count,
            "vehicle": first,
            "proof": made.manifest.verify.proof,
        }
        store.write_entry(Entry(kind=KIND, key=planned.key, title=title, objects=objects, info=info))
    return True


def _proven(entry: Entry, task: Task) -> bool:
    """Return whether a build in the store is proven as the fleet asks; the proof of any is enough unless it says so."""
    return task.request.build.proof != "whole" or entry.info.get("proof", "whole") == "whole"


def _request(task: Task, folder: Path) -> BuildRequest:
    """Write the profiles that the compiler reads and return what it is asked for."""
    fleet, mode = task.request, task.build.mode
    texts = list(task.profiles.values())[: None if mode == "envelope" else 1]
    paths = [folder / f"profile-{number:06}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    common = {part.name: getattr(fleet.build, part.name) for part in dataclasses.fields(BuildOptions)}
    common |= {"proof": task.proof, "record": task.record}
    return BuildRequest(
        **common,
        calib=paths[0],
        mode=mode,
        without=task.members[0].without,
        output=folder / "build",
        for_store=True,
        tolerance=_tolerance(fleet) if mode == "envelope" else None,
        envelope_over=tuple(_over(paths, fleet)) if mode == "envelope" else (),
        capacity=capacity_text(task.build.lengths) if mode == "tables" else None,
    )


def _over(paths: list[Path], fleet: FleetRequest) -> list[Path]:
    """Return the further profiles of an envelope; one over a single calibration, for its rigs, says so."""
    alone = len(paths) == 1 and fleet.subsets and not fleet.tolerance
    return paths if alone else paths[1:]


def _tolerance(fleet: FleetRequest) -> str | None:
    """Return the tolerance as a build takes it: None for each profile's own, zero for today's calibrations alone."""
    return None if fleet.tolerance == OWN_TOLERANCE else fleet.tolerance or "rotation=0deg"


def capacity_text(lengths: tuple[tuple[int, ...], ...]) -> str:
    """Return capacities as a build takes them: one number per camera, the largest over the grids."""
    return ",".join(str(max(numbers)) for numbers in zip(*lengths, strict=True))


def parse(text: str, vehicle: str) -> CalibrationProfile:
    """Return the profile of a vehicle from its text."""
    return parse_profile(parse_document(text, vehicle), vehicle)


@contextlib.contextmanager
def opened(place: str) -> Iterator[Store]:
    """Yield the store, which is the one that the compiler finds as well while the block lasts."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = place
    try:
        yield open_store(place)
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _quiet(line: str) -> None:
    """Say nothing: the fleet's own progress speaks."""
