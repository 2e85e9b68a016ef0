"""`specialize store`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options, render_store
from specialize.cli.output import emit
from specialize.store import collect, open_store
from specialize.store.collect import GRACE_S
from specialize.store.find import find_by_prefix


@click.group()
def command() -> None:
    """Look after the store of models and weights.

    It is the folder that SPECIALIZE_STORE names, or one in the user's cache.
    """


@command.command()
@options.json_option
def ls(as_json: bool) -> None:
    """List what the store holds."""
    store = open_store()
    data = render_store.ls_json(store, tuple(store.entries()))
    emit(data, render_store.ls_text(data), as_json)


@command.command()
@click.argument("key")
@options.json_option
def show(key: str, as_json: bool) -> None:
    """Show what a key, or the beginning of one, stands for."""
    store = open_store()
    entry = find_by_prefix(store, key)
    emit(render_store.show_json(entry), render_store.show_text(store, entry), as_json)


@command.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option(
    "--grace", type=float, default=GRACE_S, show_default=True, help="Seconds for which new objects are safe."
)
@click.option(
    "--fleet", type=options.EXISTING, multiple=True, help="A further fleet.lock whose builds are kept."
)
@options.json_option
def gc(dry_run: bool, grace: float, fleet: tuple[Path, ...], as_json: bool) -> None:
    """Remove what nothing names any more.

    Builds of fleets are kept as long as a fleet.lock names them.
    """
    from specialize.fleet.retention import builds_named

    store = open_store()
    done = collect(store, builds_named(store, fleet), dry_run=dry_run, grace_s=grace)
    emit(render_store.gc_json(done, dry_run), render_store.gc_text(done, dry_run), as_json)


@command.command()
@click.option(
    "--repair",
    is_flag=True,
    help="Move damaged objects and entries aside, to the folder `damaged` of the store.",
)
@click.option("--remove", is_flag=True, help="Remove them instead.")
@options.json_option
def check(repair: bool, remove: bool, as_json: bool) -> int:
    """Read all objects and entries and find those that changed after they were written. Exit 1 if any.

    What is taken out with --repair or --remove is made again when it is needed: a built-in model by the next build, a
    model of your own by the next build with --model, builds and tables of a fleet by `fleet build`.
    """
    from specialize.store.check import check_store, take_out

    store = open_store()
    checked = check_store(store)
    if repair or remove:
        take_out(store, checked, keep=not remove)
    done = "removed" if remove else "moved aside" if repair else ""
    emit(render_store.damage_json(checked, done), render_store.damage_text(checked, done), as_json)
    return 1 if not (checked.ok or done) else 0
