"""Define the manifest of a build: what it was made from, what it computes, and the evidence.

The manifest is hashed: it contains no time, host or path. The duration of a build is printed, but not stored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from specialize.artifact.baked import Baked
from specialize.artifact.drawing import Drawing
from specialize.artifact.precision import Precision
from specialize.artifact.witness import Witness
from specialize.digest import UNSEALED, digest, seal, sealed_digest
from specialize.errors import InputError, UsageError
from specialize.evidence.comparison import VerifyReport
from specialize.evidence.costs import FormsReport
from specialize.evidence.power import Power
from specialize.files.atomic import explained, write_file
from specialize.files.regular import read_regular
from specialize.plausibility.record import Plausibility
from specialize.text.record import Record, from_json, to_json
from specialize.version import VERSION

SCHEMA = "specialize/manifest@1"
FILE_NAME = "manifest.json"

JsonObject = dict[str, Any]


class Digests(Record, frozen=True, kw_only=True):
    """What the build is tied to, each `sha256:<hex>`.

    Attributes:
        profile: Physical content of the calibration.
        plan: Visible sets for this model's geometry.
        model: Generic model, graph and weights.
        build: The build key.
    """

    profile: str
    plan: str
    model: str
    build: str


class SiteCamera(Record, frozen=True, kw_only=True):
    """One camera at one site: its name and how many queries it sees there."""

    name: str
    visible: int


class Site(Record, frozen=True, kw_only=True):
    """One cross-attention (or pooling) of the graph.

    Attributes:
        kind: `camera` if its rows are pairs of camera and query, `pooled` if they are points that are pooled.
        queries: Number of queries, Q.
        cameras: Visible queries per camera, in camera order.
        longest: Most queries that one camera sees.
        pairs: Visible pairs of camera and query.
        rows_computed: Rows that the specialized graph computes, padding and alignment included.
    """

    queries: int
    cameras: tuple[SiteCamera, ...]
    longest: int
    pairs: int
    rows_computed: int
    kind: Literal["camera", "pooled"] = "camera"


class PassNote(Record, frozen=True, kw_only=True):
    """What a pass did, or why it declined, at one place."""

    name: str
    applied: bool
    where: str
    reason: str


class Tensor(Record, frozen=True, kw_only=True):
    """An input or output of the model: name, numpy dtype, and a shape of plain numbers."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class FileRecord(Record, frozen=True, kw_only=True):
    """A file of the build: its digest and size in bytes."""

    sha256: str
    size: int


class Manifest(Record, frozen=True, kw_only=True):
    """One build.

    Attributes:
        vehicle: Name of the vehicle.
        model: Name of the model.
        digests: What the build is tied to.
        target: Toolchain that it was lowered for.
        mode: How calibration is bound.
        layout: How visible pairs are laid out.
        align: Lengths are multiples of this.
        cameras: Names in the order of the model's camera axis.
        sites: One entry per cross-attention of the graph, in graph order.
        inputs: What the model still wants at run time.
        outputs: What it gives.
        passes: What every pass did or declined.
        verify: The comparison with the generic model, as `specialize verify --json` prints it.
        power: What that comparison could show; absent in builds without one.
        flops: Costs of the three forms, as `specialize flops --json` prints them.
        plausibility: Whether the values that the model is fed are plausible, and what was seen.
        witness: The second computation of the geometry, compared with the compiler's own.
        warnings: What the user should know.
        allowed: What a person accepted with `--allow`, sorted.
        spec: Text of the model's sidecar, so that a check needs neither model nor torch.
        key: All of the build key, whose digest is `digests.build`: what was asked for, and digests of what went in.
        libraries: Versions of the libraries that compute or write what is in the build.
        source: How to make the generic model again: name, checkpoint digest, seed, store objects.
        options: Other options of the build, such as tolerance and capacity, canonical.
        files: Every file of the build but this one, by name.
        drawings: The largest attention site before and after, step by step.
        precision: What a conversion to another number format left, and loses; absent in float32.
        baked: How lenses changed the user's model; absent if it is built as it is.
        compiler: Version of this package.
        schema: Version of this format.
        digest: Of `manifest.json` with zeros in the digest's own place; zeros while it is not written.
    """

    schema: str = SCHEMA
    digest: str = UNSEALED
    compiler: str = VERSION
    vehicle: str
    model: str
    digests: Digests
    target: str
    mode: str
    layout: str
    align: int
    cameras: tuple[str, ...]
    sites: tuple[Site, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    passes: tuple[PassNote, ...]
    verify: VerifyReport
    flops: FormsReport
    plausibility: Plausibility = Plausibility()
    witness: Witness = Witness()
    power: Power | None = None
    warnings: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    key: JsonObject = {}
    libraries: dict[str, str] = {}
    source: JsonObject = {}
    options: JsonObject = {}
    spec: str
    files: dict[str, FileRecord] = {}
    drawings: tuple[Drawing, ...] = ()
    precision: Precision | None = None
    baked: Baked | None = None

    def extended(self, passes: Sequence[PassNote], warnings: Sequence[str]) -> Manifest:
        """Return the manifest with additional notes and warnings, appended to its own."""
        return msgspec.structs.replace(
            self, passes=(*self.passes, *passes), warnings=(*self.warnings, *warnings)
        )

    def with_evidence(
        self, verify: VerifyReport, flops: FormsReport, drawings: tuple[Drawing, ...] = ()
    ) -> Manifest:
        """Return the manifest with the reports of verification and costs, and the drawings.

        What the report of verification says about its power becomes the manifest's `power`.
        """
        compared = msgspec.structs.replace(verify, power=msgspec.UNSET)
        power = verify.power or None
        return msgspec.structs.replace(self, verify=compared, power=power, flops=flops, drawings=drawings)


CONTRACT = (
    "schema", "compiler", "vehicle", "model", "digests", "target", "mode", "layout", "align", "cameras", "sites",
    "inputs", "outputs", "spec", "source", "options", "allowed",
)  # fmt: skip
"""Fields of a manifest that are known before the model is written, and whose digest is in the model's metadata."""


def contract_digest(manifest: Manifest) -> str:
    """Return the digest of what a build is for: calibration, model, options, inputs, outputs and sites."""
    return digest({name: msgspec.to_builtins(getattr(manifest, name)) for name in CONTRACT})


def manifest_text(manifest: Manifest) -> str:
    """Return the JSON of a manifest, including its own digest: equal values give equal text."""
    unsealed = msgspec.structs.replace(
        manifest, digest=UNSEALED, verify=_by_key(manifest.verify), flops=_by_key(manifest.flops)
    )
    raw = msgspec.json.encode(unsealed, order="deterministic", enc_hook=to_json)
    return seal(msgspec.json.format(raw, indent=2).decode() + "\n")


def _by_key(evidence: VerifyReport | FormsReport) -> msgspec.Raw:
    """Return the JSON of a part with its keys in alphabetical order; other parts have that of their fields."""
    return msgspec.Raw(msgspec.json.encode(to_json(evidence), order="sorted"))


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write `manifest.json` into a build's directory; return the manifest with its digest."""
    text = manifest_text(manifest)
    write_file(folder / FILE_NAME, text)
    return parse_manifest(text, str(folder / FILE_NAME))


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a build's directory.

    Raises:
        InputError: The directory is no build, or its manifest is damaged or of another version.
    """
    path = folder / FILE_NAME
    with explained(path):
        try:
            text = read_regular(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            found = "no such file" if folder.is_dir() else "no such folder"
            hint = "name a folder that `specialize build` made"
            raise InputError(str(path), "a build with its manifest", found, hint) from error
    return parse_manifest(text, str(path))


def parse_manifest(text: bytes | str, where: str) -> Manifest:
    """Parse the text of a manifest; `where` names it in errors."""
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "the file is damaged: build again"
        raise InputError(where, "JSON", f"{str(error).lower()} ({len(text)} bytes)", hint) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        hint = "it was written by another version of specialize: build again"
        raise InputError(f"{where}: schema", repr(SCHEMA), repr(schema), hint)
    try:
        manifest = from_json(data, Manifest)
    except (msgspec.ValidationError, UsageError) as error:
        message, _, place = str(error).partition(" - at `$")
        place = re.sub(r"^\.", "", place.strip("`")) or "manifest"
        raise InputError(f"{where}: {place}", "a manifest of this version", message, "build again") from error
    raw = text.encode() if isinstance(text, str) else text
    expected = sealed_digest(raw, manifest.digest)
    if manifest.digest != expected:
        hint = "it was changed after it was written: build again"
        raise InputError(f"{where}: digest", f"{expected}, that of the file", manifest.digest, hint)
    return manifest
