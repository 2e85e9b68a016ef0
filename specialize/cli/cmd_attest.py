"""`specialize attest`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import emit
from specialize.cli.render_attest import attest_json, attest_text


@click.command()
@options.build_argument
@click.option(
    "-o", "--output", type=options.FOLDER, required=True, help="Folder to write into, outside of the build."
)
@click.option(
    "--key",
    type=options.EXISTING,
    help="Sign with this private key, PEM on P-256, P-384 or P-521 [default: unsigned].",
)
@options.json_option
def command(build_dir: Path, output: Path, key: Path | None, as_json: bool) -> None:
    """Write statements about a build for others, and sign it.

    The formats are those of in-toto, SLSA and OpenSSF Model Signing.

    provenance.intoto.json says what it was made from, test-result.intoto.json what was compared, with what result.
    model.sig is a signature of all its files; without --key, model.sig.unsigned.json is what others may sign.
    Equal builds give equal statements. --key needs the extra `sign`.
    """
    from specialize.attest import attest_build

    data = attest_json(attest_build(build_dir, output, key))
    emit(data, attest_text(data), as_json)
