"""Define a build on disk: a directory whose manifest ties it to model, calibration and options."""

from specialize.artifact.build import Build, build_digests, record_files
from specialize.artifact.key import BuildKey
from specialize.artifact.manifest import (
    Digests,
    FileRecord,
    Manifest,
    PassNote,
    Site,
    SiteCamera,
    Tensor,
    contract_digest,
    read_manifest,
    write_manifest,
)
from specialize.artifact.metadata import ModelTie, read_metadata, write_metadata

__all__ = [
    "Build",
    "BuildKey",
    "Digests",
    "FileRecord",
    "Manifest",
    "ModelTie",
    "PassNote",
    "Site",
    "SiteCamera",
    "Tensor",
    "build_digests",
    "contract_digest",
    "read_manifest",
    "read_metadata",
    "record_files",
    "write_manifest",
    "write_metadata",
]
