"""Statements and signatures, as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specialize.text.document import Document
from specialize.text.terminal import command

if TYPE_CHECKING:
    from specialize.attest import Attestation, Attested


def attest_json(made: Attestation) -> dict[str, Any]:
    """Return what `specialize attest --json` prints."""
    return {
        "schema": "specialize/attest@1",
        "build_dir": str(made.build_dir),
        "output": str(made.output),
        "files": list(made.files),
        "subjects": made.subjects,
        "result": made.result,
        "signed": made.signed,
    }


def attest_text(data: dict[str, Any]) -> Document:
    """Return what `specialize attest` shows."""
    lines = [f"  {name}" for name in data["files"]]
    signed = "signed" if data["signed"] else "unsigned"
    head = (
        f"{data['output']}: about {data['build_dir']}, {data['subjects']} files, {data['result']}, {signed}"
    )
    check = ["specialize", "verify", data["build_dir"]]
    if data["signed"]:
        check += ["--signature", f"{data['output']}/model.sig", "--public-key", "KEY.pub"]
    else:
        check += ["--statement", f"{data['output']}/provenance.intoto.json"]
    return ("\n".join((head, *lines)), f"check: {command(*check)}")


def attested_json(checked: Attested) -> dict[str, Any]:
    """Return what `specialize verify --signature --json` prints."""
    return {
        "schema": "specialize/attested@1",
        "build_dir": str(checked.build_dir),
        "subjects": checked.subjects,
        "signature": None if checked.signature is None else str(checked.signature),
        "public_key": None if checked.public_key is None else str(checked.public_key),
        "statements": checked.statements,
    }


def attested_text(data: dict[str, Any]) -> Document:
    """Return what `specialize verify --signature` shows."""
    head = f"{data['build_dir']}: {data['subjects']} files are those that were attested; no model was run"
    by = [f"signature: {data['signature']}, by {data['public_key']}"] if data["signature"] else []
    said = [f"statement: {path}, {kind}" for path, kind in data["statements"].items()]
    return "\n".join((head, *by, *said))
