"""Statements and signatures, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specialize.text.document import Document
from specialize.text.terminal import command

if TYPE_CHECKING:
    from specialize.attest import Attestation, Attested


def attest_text(made: Attestation) -> Document:
    """Return what `specialize attest` shows."""
    lines = [f"  {name}" for name in made.files]
    signed = "signed" if made.signed else "unsigned"
    head = f"{made.output}: about {made.build_dir}, {made.subjects} files, {made.result}, {signed}"
    check = ["specialize", "verify", str(made.build_dir)]
    if made.signed:
        check += ["--signature", f"{made.output}/model.sig", "--public-key", "KEY.pub"]
    else:
        check += ["--statement", f"{made.output}/provenance.intoto.json"]
    return ("\n".join((head, *lines)), f"check: {command(*check)}")


def attested_text(found: Attested) -> Document:
    """Return what `specialize verify --signature` shows."""
    head = f"{found.build_dir}: {found.subjects} files are those that were attested; no model was run"
    by = [f"signature: {found.signature}, by {found.public_key}"] if found.signature else []
    said = [f"statement: {path}, {kind}" for path, kind in found.statements.items()]
    return "\n".join((head, *by, *said))
