"""`specialize fleet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from specialize.calibration.formats import FORMATS
from specialize.cli import options
from specialize.cli.output import emit, say, warn
from specialize.cli.shares import SHARE

if TYPE_CHECKING:
    from specialize.fleet.builds import FleetPlan

ENGINES = ("local", "dask")
MODES = ("auto", "exact", "envelope", "tables")

folder_argument = click.argument("folder", metavar="DIR", type=options.FOLDER)
jobs_option = click.option("--jobs", type=int, help="Processes [default: one per core, where it pays].")
lock_option = click.option(
    "--lock", type=options.ANY_PATH, help="The fleet's lock [default: DIR/fleet.lock]."
)


@click.group()
def command() -> None:
    """Compare, plan and build many vehicles."""


@command.command("import")
@click.argument("format_name", metavar="FORMAT", type=click.Choice(sorted(FORMATS)))
@click.argument(
    "sources", metavar="PATH...", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True
)
@options.format_options
@click.option("-o", "--output", type=options.FOLDER, required=True, help="Folder of the profiles.")
@jobs_option
@options.json_option
def import_vehicles(
    format_name: str,
    sources: tuple[Path, ...],
    given: tuple[str, ...],
    output: Path,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Convert a calibration of each vehicle into a profile, and look them over; options are the same for all.

    Exit 1 if one cannot be imported; the others are imported all the same.
    """
    from specialize.cli.render_import import fleet_json, fleet_text
    from specialize.fleet.importing import import_fleet

    found = import_fleet(format_name, sources, options.pairs(given), output, jobs)
    emit(fleet_json(found), fleet_text(found), as_json)
    return 1 if found.failed else 0


@command.command()
@folder_argument
@click.option("--model", help="A built-in model, or an ONNX file, whose queries are counted.")
@options.model_spec_option
@jobs_option
@options.json_option
def diff(folder: Path, model: str | None, model_spec: Path | None, jobs: int | None, as_json: bool) -> int:
    """Show which kinds of vehicles a folder has, how each differs from its kind's median, and which are outliers.

    Exit 1 if a profile cannot be used.
    """
    from specialize.cli.render_fleet_diff import diff_json, diff_text
    from specialize.fleet.differences import fleet_diff

    found = fleet_diff(folder, model, model_spec, jobs, say)
    emit(diff_json(found), diff_text(found), as_json)
    return 1 if found.failed else 0


@command.command()
@folder_argument
@options.model_option
@options.model_spec_option
@options.checkpoint_option
@options.target_option
@options.attention_option
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="auto",
    show_default=True,
    help="How calibration is bound; auto takes what needs fewest builds.",
)
@click.option(
    "--max-overhead",
    type=SHARE,
    default="5%",
    show_default=True,
    help="Further pairs that a vehicle puts up with to share a build.",
)
@click.option(
    "--tolerance",
    default="",
    help="What an envelope covers beyond today's calibrations: `profile` takes each profile's own tolerance, "
    "or rotation=0.5deg,translation=3cm,... for all.",
)
@click.option(
    "--spare", type=SHARE, default="0%", show_default=True, help="Room in tables for calibrations to come."
)
@options.layout_option
@options.align_option
@options.seed_option
@options.frames_option
@options.allow_option
@options.precision_option
@options.frames_dir_option
@click.option("-o", "--output", type=options.ANY_PATH, help="The lock to write [default: DIR/fleet.lock].")
@click.option("--dry-run", is_flag=True, help="Write no lock.")
@click.option(
    "--report",
    type=options.ANY_PATH,
    metavar="FILE",
    help="Also write a page with the builds, the room of every camera and the outliers.",
)
@jobs_option
@options.json_option
def plan(
    output: Path | None, dry_run: bool, report: Path | None, jobs: int | None, as_json: bool, **given: Any
) -> int:
    """Find the fewest builds that serve every vehicle of a folder, and write them down in a lock.

    Exit 1 if a profile cannot be used; the others are planned all the same.
    """
    from specialize.cli.render_fleet import plan_json, plan_text
    from specialize.fleet.lock import NAME, lock_of, write_lock
    from specialize.fleet.plan import plan_fleet
    from specialize.fleet.request import FleetRequest

    found = plan_fleet(FleetRequest.of(**given), jobs, say)
    warn(found.request.warnings())
    lock = None if dry_run else output or found.request.folder / NAME
    if lock is not None:
        write_lock(lock_of(found), lock)
    if report is not None:
        _write_report(found, report, jobs)
    emit(plan_json(found, lock), plan_text(found, lock), as_json)
    return 1 if found.failed else 0


def _write_report(found: FleetPlan, report: Path, jobs: int | None) -> None:
    from specialize.fleet.report import write_fleet_report

    write_fleet_report(found, report, jobs)
    say(f"report: {report}")


@command.command()
@folder_argument
@lock_option
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="local",
    show_default=True,
    help="Where to work.",
)
@click.option(
    "--scheduler", default="", help="Address of a dask scheduler, tcp://host:8786 [default: a cluster here]."
)
@click.option("--jobs", type=int, default=1, show_default=True, help="Builds made at once, on this machine.")
@click.option("-o", "--output", type=options.FOLDER, help="Lay the builds out in this folder as well.")
@options.json_option
def build(
    folder: Path,
    lock: Path | None,
    engine: str,
    scheduler: str,
    jobs: int,
    output: Path | None,
    as_json: bool,
) -> int:
    """Make the builds of a fleet's lock, in the store; those that are there already are kept.

    A build that fails is reported and stops no other. Exit 1 then, or 4 if one was not equal to its original.
    """
    from specialize.cli.render_fleet_build import build_json, build_line, build_text
    from specialize.fleet.build import build_fleet
    from specialize.fleet.executors import executor_of
    from specialize.fleet.lock import NAME

    place = lock or folder / NAME
    with executor_of(engine, scheduler, jobs) as executor:
        built = build_fleet(place, executor, output, lambda *done: say(build_line(*done)))
    emit(build_json(built), build_text(built), as_json)
    return built.exit_code


@command.command()
@folder_argument
@lock_option
@jobs_option
@options.json_option
def status(folder: Path, lock: Path | None, jobs: int | None, as_json: bool) -> int:
    """Say which vehicles have a build that is right for them today. Exit 3 if one is stale."""
    from specialize.cli.render_fleet_build import status_json, status_text
    from specialize.fleet.lock import NAME
    from specialize.fleet.status import fleet_status

    found = fleet_status(folder, lock or folder / NAME, jobs)
    emit(status_json(found), status_text(found), as_json)
    return found.exit_code
