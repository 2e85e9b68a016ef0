"""`specialize verify`."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli import options
from specialize.cli.output import say
from specialize.cli.results import emit


@click.command()
@options.build_argument
@click.option(
    "--frames", type=click.IntRange(min=1), default=4, show_default=True, help="Number of frames to compare."
)
@options.frames_dir_option
@click.option(
    "--signature",
    type=options.EXISTING,
    help="Check the build against this model.sig instead; needs the extra `sign`.",
)
@click.option("--public-key", type=options.EXISTING, help="Public key of the signer, a PEM file.")
@click.option(
    "--statement", "statements", type=options.EXISTING, multiple=True,
    help="Check the build against this *.intoto.json instead; repeatable.",
)  # fmt: skip
@options.json_option
def command(
    build_dir: Path,
    frames: int,
    frames_dir: Path | None,
    signature: Path | None,
    public_key: Path | None,
    statements: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Compare the outputs of the original and the specialized model. Exits 4 if they differ.

    With --signature or --statement no model is run: every file of the build is compared with what was signed or
    stated. Exits 4 if the statement is about another build or signed by another key.
    """
    if signature or public_key or statements:
        return _attested(build_dir, signature, public_key, statements, as_json)
    from specialize.compiler.verify import verify

    report = verify(build_dir, frames, say, frames_dir)
    return emit("verify", report, as_json, str(build_dir))


def _attested(
    build_dir: Path, signature: Path | None, key: Path | None, statements: tuple[Path, ...], as_json: bool
) -> int:
    from specialize.attest import check_attested

    return emit("attested", check_attested(build_dir, signature, key, statements), as_json)
