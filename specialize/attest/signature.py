"""Write the manifest of OpenSSF Model Signing v1.0: every file with its digest, in a DSSE envelope in a Sigstore
bundle.

The manifest is written unsigned; a signer signs the payload. Signed bundles are read here as well, but only `signing`
checks the signature itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from specialize.artifact import Manifest
from specialize.attest.statement import (
    STATEMENT,
    Descriptor,
    Record,
    Statement,
    bare,
    read_json,
    statement_text,
)
from specialize.errors import InputError

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

_WHAT = "a Sigstore bundle"
_HINT = "name a model.sig that `specialize attest --key` or model_signing made"


class Serialization(Record, frozen=True, kw_only=True, rename=None, omit_defaults=False):
    """How the digests were made: whole files, none of them ignored."""

    method: str = "files"
    hash_type: str = "sha256"
    allow_symlinks: bool = False


class Resource(Record, frozen=True, kw_only=True):
    """One file and its digest."""

    name: str
    algorithm: str
    digest: str


class ModelSignature(Record, frozen=True, kw_only=True, omit_defaults=False):
    """The predicate."""

    serialization: Serialization
    resources: tuple[Resource, ...]


def model_statement(manifest: Manifest, digests: Mapping[str, str]) -> Statement[ModelSignature]:
    """Return the statement that is to be signed: its subject is the digest over the digests of all files in order.

    Args:
        manifest: The build's manifest.
        digests: `sha256:<hex>` of every file of the build, by name.
    """
    names = sorted(digests, key=PurePosixPath)  # by parts of the path, as verifiers sort
    root = hashlib.sha256(b"".join(bytes.fromhex(bare(digests[name])) for name in names)).hexdigest()
    resources = tuple(Resource(name=name, algorithm="sha256", digest=bare(digests[name])) for name in names)
    return Statement(
        subject=(Descriptor(name=manifest.vehicle, digest={"sha256": root}),),
        predicate_type=PREDICATE_TYPE,
        predicate=ModelSignature(serialization=Serialization(), resources=resources),
    )


def unsigned_bundle(statement: Statement[ModelSignature]) -> str:
    """Return a bundle with the statement and no signature: what another signer signs is its payload."""
    payload = base64.b64encode(statement_text(statement).encode()).decode()
    envelope = {"payload": payload, "payloadType": PAYLOAD_TYPE, "signatures": []}
    material: dict[str, Any] = {"tlogEntries": []}
    bundle = {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
    return json.dumps(bundle, indent=2) + "\n"


def signed_digests(path: Path) -> dict[str, str]:
    """Return the files that a bundle names with their digests; its signature is not looked at.

    Raises:
        InputError: It is no bundle, has no signature, or names no files.
    """
    bundle = read_json(path, _WHAT, _HINT)
    if bundle.get("mediaType") != MEDIA_TYPE:
        raise InputError(f"{path}: mediaType", repr(MEDIA_TYPE), repr(bundle.get("mediaType")), _HINT)
    try:
        envelope = bundle["dsseEnvelope"]
        if not envelope["signatures"]:
            raise InputError(f"{path}: signatures", "a signature", "none", _HINT)
        statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
        if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE_TYPE):
            raise InputError(
                f"{path}: predicateType", PREDICATE_TYPE, repr(statement["predicateType"]), _HINT
            )
        resources = statement["predicate"]["resources"]
        if any(each["algorithm"] != "sha256" for each in resources):
            raise InputError(f"{path}: resources", "sha256 of whole files", "another algorithm", _HINT)
        return {str(each["name"]): f"sha256:{each['digest']}" for each in resources}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(str(path), _WHAT, f"{type(error).__name__.lower()} {error}", _HINT) from error
