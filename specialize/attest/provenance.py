"""Write SLSA provenance v1 of a build: its materials, options and builder (https://slsa.dev/provenance/v1).

Times, the invocation and the builder's machine are left out, so that equal builds have equal provenance. It states what
was built and from what; it does not claim an SLSA build level, which is a property of a build service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specialize.artifact import Manifest
from specialize.artifact.build import PROFILE
from specialize.attest.statement import Descriptor, Record, Statement, bare, content, subjects
from specialize.digest import digest_bytes

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILDER = "urn:specialize:builder:local"
"""Builder id for whoever ran the command; a build service has a URI of its own, and signs its own provenance."""

BUILD_TYPE = "urn:specialize:build:v1"
"""Build type whose parameters docs/guides/signing.md lists."""

OPTIONS = (
    "target", "mode", "layout", "align", "attention", "precision", "tolerance", "count_outside", "capacity", "frames",
    "seed", "allow_unchanged", "keep_every_site", "bake_lenses", "allow",
)  # fmt: skip
"""Fields of a build key that a user sets; the rest of the key are digests of what goes into the build."""


class BuildDefinition(Record, frozen=True, kw_only=True):
    """The requested parameters and the materials of a build.

    Attributes:
        build_type: How the parameters are to be read.
        external_parameters: The model's and the vehicle's name, and every option of the request.
        internal_parameters: Versions of the libraries that compute or write what is in the build.
        resolved_dependencies: Profile, model, sidecar, compiler, and further profiles or frames.
    """

    build_type: str
    external_parameters: dict[str, Any]
    internal_parameters: dict[str, Any]
    resolved_dependencies: tuple[Descriptor, ...]


class Builder(Record, frozen=True, kw_only=True):
    """Who built.

    Attributes:
        id: A URI that stands for the builder.
        version: Name -> version of its parts.
    """

    id: str
    version: dict[str, str]


class RunDetails(Record, frozen=True, kw_only=True):
    """The run of the build; all of it that does not differ from run to run."""

    builder: Builder


class Provenance(Record, frozen=True, kw_only=True):
    """The predicate."""

    build_definition: BuildDefinition
    run_details: RunDetails


def provenance(manifest: Manifest, digests: Mapping[str, str]) -> Statement[Provenance]:
    """Return where a build comes from.

    Args:
        manifest: The build's manifest, with its key.
        digests: `sha256:<hex>` of every file of the build, by name.
    """
    definition = BuildDefinition(
        build_type=BUILD_TYPE,
        external_parameters={
            "model": manifest.model,
            "vehicle": manifest.vehicle,
            "options": {name: manifest.key[name] for name in OPTIONS},
        },
        internal_parameters={"libraries": manifest.libraries},
        resolved_dependencies=tuple(_dependencies(manifest, digests)),
    )
    builder = Builder(id=BUILDER, version={"specialize": manifest.compiler})
    return Statement(
        subject=subjects(digests),
        predicate_type=PREDICATE_TYPE,
        predicate=Provenance(build_definition=definition, run_details=RunDetails(builder=builder)),
    )


def _dependencies(manifest: Manifest, digests: Mapping[str, str]) -> Iterator[Descriptor]:
    """Yield what went into the build, each by digest."""
    key = manifest.key
    profile = {"sha256": bare(digests[PROFILE])} | content(manifest.digests.profile)
    source = {name: value for name, value in manifest.source.items() if name != "key" and value != ""}
    yield Descriptor(name="profile", digest=profile, annotations={"file": PROFILE})
    yield Descriptor(name="model", digest=content(manifest.digests.model), annotations=source)
    yield Descriptor(
        name="sidecar",
        digest={"sha256": bare(digest_bytes(manifest.spec.encode()))} | content(key["spec"]),
        annotations={"text": "spec in manifest.json"},
    )
    yield Descriptor(name="specialize", annotations={"version": manifest.compiler, "code": key["compiler"]})
    for option in ("envelope_over", "capacity_over"):
        for number, profile_digest in enumerate(key[option]):
            yield Descriptor(name=f"{option}[{number}]", digest=content(profile_digest))
    if key["frames_digest"]:
        yield Descriptor(name="frames", digest=content(key["frames_digest"]))
