"""`specialize fleet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from specialize.calibration.formats import FORMATS
from specialize.cli import fleet_options, options
from specialize.cli.output import say, warn
from specialize.cli.projects import FromProject
from specialize.cli.results import emit
from specialize.cli.shares import SHARE
from specialize.errors import UsageError

if TYPE_CHECKING:
    from specialize.fleet.builds import FleetPlan

MODES = ("auto", "exact", "envelope", "tables")


@click.group()
def command() -> None:
    """Compare, plan and build many vehicles.

    FLEET is a folder of profiles, or a table of them that `pack` wrote, here or at a URL: s3://fleets/vans.parquet.
    """


@command.command("import")
@click.argument("format_name", metavar="FORMAT", type=click.Choice(sorted(FORMATS)))
@click.argument("sources", metavar="[PATH]...", type=click.Path(path_type=Path, exists=True), nargs=-1)
@click.option(
    "--paths",
    type=click.File(),
    help="File with a PATH on each line, for more than a command line holds; - is stdin.",
)
@options.format_options
@click.option(
    "-o",
    "--output",
    type=options.ANY_PATH,
    required=True,
    help="Folder to write the profiles to, or a table, *.parquet.",
)
@fleet_options.engine_options
@options.json_option
def import_vehicles(
    format_name: str,
    sources: tuple[Path, ...],
    paths: TextIO | None,
    given: tuple[str, ...],
    output: Path,
    engine: str,
    scheduler: str,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Convert the calibration of each vehicle to a profile, and check it. All use the same options.

    Exits 1 if a calibration cannot be imported; the others are imported nevertheless.
    """
    from specialize.fleet.executors import elsewhere
    from specialize.fleet.importing import import_fleet

    named = [*sources, *(Path(line.rstrip("\n")) for line in paths or () if line.strip())]
    if not named:
        raise UsageError(
            "PATH", "a calibration for each vehicle", "none", "name them, or a list of them with --paths"
        )
    with elsewhere(engine, scheduler, jobs) as executor:
        found = import_fleet(format_name, named, options.pairs(given), output, jobs, executor)
    return emit("fleet-import", found, as_json)


@command.command()
@click.argument("fleets", metavar="FLEET...", type=options.ANY_PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=options.ANY_PATH, required=True, help="Table to write, *.parquet.")
@fleet_options.engine_options
@options.json_option
def pack(
    fleets: tuple[Path, ...], output: Path, engine: str, scheduler: str, jobs: int | None, as_json: bool
) -> int:
    """Put the profiles of many vehicles into one table, with all bits of their numbers.

    Every fleet command takes the table in place of a folder; OUTPUT.parquet/VEHICLE names one vehicle wherever a
    profile is asked for. Exits 1 if a profile is unusable; the others are packed nevertheless.
    """
    from specialize.fleet.executors import elsewhere
    from specialize.fleet.packing import pack_fleet

    with elsewhere(engine, scheduler, jobs) as executor:
        return emit("fleet-packed", pack_fleet(fleets, output, jobs, executor), as_json)


@command.command()
@click.argument("table", metavar="TABLE", type=options.ANY_PATH)
@click.option("-o", "--output", type=options.FOLDER, required=True, help="Folder to write the profiles to.")
@fleet_options.jobs_option
@options.json_option
def unpack(table: Path, output: Path, jobs: int | None, as_json: bool) -> int:
    """Write a profile for each vehicle of a table. Exits 1 if a row is unusable."""
    from specialize.fleet.packing import unpack_fleet

    return emit("fleet-unpacked", unpack_fleet(table, output, jobs), as_json)


@command.command()
@fleet_options.fleet_argument
@click.option(
    "--model",
    shell_complete=options.complete_model,
    cls=FromProject,
    help="Built-in model or ONNX file whose queries to count.",
)
@options.model_spec_option
@click.option(
    "--since",
    type=options.PROFILES,
    metavar="FLEET",
    help="An earlier state of the fleet: show which vehicles were recalibrated since, and which mounts creep.",
)
@fleet_options.engine_options
@options.json_option
def diff(
    folder: Path, model: str | None, model_spec: Path | None, since: Path | None, engine: str, scheduler: str,
    jobs: int | None, as_json: bool,
) -> int:  # fmt: skip
    """Show which kinds of vehicles a fleet has, how each differs from its kind's median, and which are outliers.

    Exits 1 if a profile is unusable.
    """
    from specialize.fleet.differences import fleet_diff
    from specialize.fleet.drift import fleet_drift
    from specialize.fleet.executors import elsewhere

    if since is not None and (model or model_spec):
        raise UsageError("--since", "no model with it: calibrations are compared, not queries", "--model")
    with elsewhere(engine, scheduler, jobs) as executor:
        if since is not None:
            return emit("fleet-drift", fleet_drift(folder, since, jobs, say, executor), as_json)
        return emit("fleet-diff", fleet_diff(folder, model, model_spec, jobs, say, executor), as_json)


@command.command()
@fleet_options.fleet_argument
@options.model_option
@options.model_spec_option
@options.checkpoint_option
@options.target_option
@options.attention_option
@click.option(
    "--mode",
    cls=FromProject,
    type=click.Choice(MODES),
    default="auto",
    show_default=True,
    help="How to bind the calibration; auto chooses the mode that needs the fewest builds.",
)
@click.option(
    "--max-overhead",
    type=SHARE,
    default="5%",
    show_default=True,
    help="How many more pairs a vehicle may compute in a shared build than in a build of its own.",
)
@click.option(
    "--tolerance",
    cls=FromProject,
    default="",
    help="Tolerance of an envelope around today's calibrations: `profile` for each profile's own, "
    "or rotation=0.5deg,translation=3cm,... for all.",
)
@click.option(
    "--spare",
    type=SHARE,
    default="0%",
    show_default=True,
    help="Spare capacity of tables, for future calibrations.",
)
@click.option(
    "--subsets",
    type=click.IntRange(0, 2),
    default=0,
    metavar="N",
    help="Also plan each rig with one camera off (1), or with one and with two (2).",
)
@options.layout_option
@options.align_option
@options.seed_option
@options.frames_option
@options.proof_option
@options.allow_option
@options.precision_option
@options.frames_dir_option
@fleet_options.written_lock_option
@click.option("--dry-run", is_flag=True, help="Plan without writing the lock.")
@click.option(
    "--report",
    type=options.ANY_PATH,
    metavar="FILE",
    help="Also write an HTML page with the builds, the capacity of every camera and the outliers.",
)
@fleet_options.engine_options
@options.json_option
def plan(
    output: Path | None, dry_run: bool, report: Path | None, engine: str, scheduler: str, jobs: int | None,
    as_json: bool, **given: Any,
) -> int:  # fmt: skip
    """Find the fewest builds that serve every vehicle of a fleet, and write them to a lock file.

    Exits 1 if a profile is unusable; the others are planned nevertheless.
    """
    from specialize.fleet.executors import elsewhere
    from specialize.fleet.lock import default_lock, lock_of, write_lock
    from specialize.fleet.plan import plan_fleet
    from specialize.fleet.request import FleetRequest

    with elsewhere(engine, scheduler, jobs) as executor:
        found = plan_fleet(FleetRequest.of(**given), jobs, say, executor)
    warn(found.request.warnings())
    lock = None if dry_run else output or default_lock(found.request.folder)
    if lock is not None:
        write_lock(lock_of(found), lock)
    if report is not None:
        _write_report(found, report, jobs)
    return emit("fleet-plan", found, as_json, lock)


def _write_report(found: FleetPlan, report: Path, jobs: int | None) -> None:
    from specialize.fleet.report import write_fleet_report

    write_fleet_report(found, report, jobs)
    say(f"report: {report}")


@command.command()
@fleet_options.fleet_argument
@fleet_options.lock_option
@fleet_options.engine_option
@fleet_options.scheduler_option
@fleet_options.builds_option
@click.option("-o", "--output", type=options.FOLDER, help="Also copy the builds to this folder.")
@click.option(
    "--tables",
    is_flag=True,
    help="Make the tables of each vehicle of FLEET.parquet as well; those of a folder always are made.",
)
@options.json_option
def build(
    folder: Path, lock: Path | None, engine: str, scheduler: str, jobs: int, output: Path | None, tables: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Make the builds that a fleet's lock names, in the store. Existing builds are reused.

    A failed build does not stop the others. Exits 1 if a build failed, or 4 if one differed from its original.
    """
    from specialize.cli.render_fleet_build import build_line
    from specialize.fleet.build import build_fleet
    from specialize.fleet.executors import executor_of
    from specialize.fleet.lock import default_lock

    place = lock or default_lock(folder)
    with executor_of(engine, scheduler, jobs) as executor:
        built = build_fleet(place, executor, output, lambda *done: say(build_line(*done)), tables, warn)
    return emit("fleet-build", built, as_json)


@command.command()
@fleet_options.fleet_argument
@fleet_options.lock_option
@click.option(
    "--verify", is_flag=True, help="Compute the digests of all rows of FLEET.parquet, not of a sample."
)
@fleet_options.engine_options
@options.json_option
def status(
    folder: Path,
    lock: Path | None,
    verify: bool,
    engine: str,
    scheduler: str,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Show which vehicles have a build that fits today's calibration. Exits 3 if one is stale."""
    from specialize.fleet.executors import elsewhere
    from specialize.fleet.lock import default_lock
    from specialize.fleet.status import fleet_status

    with elsewhere(engine, scheduler, jobs) as executor:
        found = fleet_status(folder, lock or default_lock(folder), jobs, verify, executor)
    return emit("fleet-status", found, as_json)
