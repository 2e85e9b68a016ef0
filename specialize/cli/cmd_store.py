"""`specialize store`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.results import emit
from specialize.store import collect, open_store
from specialize.store.collect import GRACE_S
from specialize.store.find import find_by_prefix
from specialize.store.listing import list_store


@click.group()
def command() -> None:
    """List, check and clean the store of models, weights and builds.

    The store is the folder that SPECIALIZE_STORE names, or a folder in the user's cache.
    """


@command.command()
@options.json_option
def ls(as_json: bool) -> None:
    """List the entries of the store."""
    emit("store-ls", list_store(open_store()), as_json)


@command.command()
@click.argument("key")
@options.json_option
def show(key: str, as_json: bool) -> None:
    """Show the entry whose key is KEY or begins with it."""
    store = open_store()
    emit("store-show", find_by_prefix(store, key), as_json, store)


@command.command()
@click.option("--dry-run", is_flag=True, help="Show what would be removed, without removing it.")
@click.option(
    "--grace",
    type=float,
    default=GRACE_S,
    show_default=True,
    help="Keep objects that are younger than this, in seconds.",
)
@click.option(
    "--fleet",
    type=options.EXISTING,
    multiple=True,
    help="Additional fleet.lock whose builds to keep; repeatable.",
)
@options.json_option
def gc(dry_run: bool, grace: float, fleet: tuple[Path, ...], as_json: bool) -> None:
    """Remove objects that are no longer referenced.

    Builds of a fleet are kept as long as a fleet.lock names them.
    """
    from specialize.fleet.retention import builds_named

    store = open_store()
    done = collect(store, builds_named(store, fleet), dry_run=dry_run, grace_s=grace)
    emit("store-gc", done, as_json)


@command.command()
@click.option(
    "--repair",
    is_flag=True,
    help="Move damaged objects and entries to the folder `damaged` of the store.",
)
@click.option("--remove", is_flag=True, help="Remove them instead.")
@options.json_option
def check(repair: bool, remove: bool, as_json: bool) -> int:
    """Find objects and entries that changed after they were written. Exits 1 if there are any.

    What --repair or --remove takes out is made again when needed: a built-in model by the next build, your own
    model by the next build with --model, builds and tables of a fleet by `fleet build`.
    """
    from specialize.store.check import check_store, take_out

    store = open_store()
    checked = check_store(store)
    if repair or remove:
        take_out(store, checked, keep=not remove)
    done = "removed" if remove else "moved aside" if repair else ""
    emit("store-check", checked, as_json, done)
    return 1 if not (checked.ok or done) else 0


@command.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option(
    "--oci", type=options.FOLDER, required=True, metavar="DIR", help="Folder to write an OCI image layout to."
)
@click.option(
    "--fleet", type=options.EXISTING, metavar="LOCK", help="Only the builds that this fleet.lock names."
)
@options.json_option
def export(keys: tuple[str, ...], oci: Path, fleet: Path | None, as_json: bool) -> None:
    """Copy builds, or only those whose keys are or begin with KEY, to a folder that container registries understand.

    The folder has one manifest per build and each file once: weights that builds share are one blob.
    """
    from specialize.fleet.delivery import chosen_builds
    from specialize.store.oci import export_oci

    store = open_store()
    emit("store-export", export_oci(store, chosen_builds(store, keys, fleet), oci), as_json)
