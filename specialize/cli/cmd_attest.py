"""`specialize attest`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.results import emit


@click.command()
@options.build_argument
@click.option(
    "-o", "--output", type=options.FOLDER, required=True, help="Folder to write to, outside of the build."
)
@click.option(
    "--key",
    type=options.EXISTING,
    help="Private key to sign with, a PEM file on P-256, P-384 or P-521 [default: unsigned].",
)
@options.json_option
def command(build_dir: Path, output: Path, key: Path | None, as_json: bool) -> None:
    """Write provenance and test results of a build, and sign it.

    The formats are those of in-toto, SLSA and OpenSSF Model Signing.

    provenance.intoto.json states what the build was made from, test-result.intoto.json what was compared and
    with what result. model.sig signs all files of the build; without --key, model.sig.unsigned.json is written
    for another tool to sign. Equal builds give equal statements. --key needs the extra `sign`.
    """
    from specialize.attest import attest_build

    emit("attest", attest_build(build_dir, output, key), as_json)
