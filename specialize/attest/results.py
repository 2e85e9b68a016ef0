"""Write test results of a build (https://in-toto.io/attestation/test-result/v0.1): the checks, and how they ended.

Each name is one check that the manifest has evidence of. A check that found no difference is passed, one that could not
be made or that a person allowed to fail is warned, and one that found a difference is failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from specialize.artifact import Manifest
from specialize.artifact.manifest import FILE_NAME
from specialize.artifact.witness import Witness
from specialize.attest.statement import Descriptor, Record, Statement, bare, content, subjects
from specialize.evidence.power import SHOWN, Power
from specialize.text.record import to_json

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"

Verdict = Literal["PASSED", "WARNED", "FAILED"]


class TestResult(Record, frozen=True, kw_only=True, omit_defaults=False):
    """The predicate.

    Attributes:
        result: The worst of all verdicts.
        configuration: The original that was compared with, and the record of the comparison with its figures.
        passed_tests: Checks that were made and found nothing.
        warned_tests: Checks that could not be made, and what a person allowed.
        failed_tests: Checks that found a difference.
    """

    __test__ = False  # a name that pytest collects

    result: Verdict
    configuration: tuple[Descriptor, ...]
    passed_tests: tuple[str, ...]
    warned_tests: tuple[str, ...]
    failed_tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One check by name, and how it ended."""

    name: str
    verdict: Verdict


def test_result(manifest: Manifest, digests: Mapping[str, str]) -> Statement[TestResult]:
    """Return what the proof of a build found.

    Args:
        manifest: The build's manifest.
        digests: `sha256:<hex>` of every file of the build, by name.
    """
    checks = (
        *_comparison(manifest),
        *_power(manifest.power),
        *_witness(manifest.witness),
        *_allowed(manifest),
    )

    def of(verdict: Verdict) -> tuple[str, ...]:
        return tuple(check.name for check in checks if check.verdict == verdict)

    failed, warned = of("FAILED"), of("WARNED")
    return Statement(
        subject=subjects(digests),
        predicate_type=PREDICATE_TYPE,
        predicate=TestResult(
            result="FAILED" if failed else "WARNED" if warned else "PASSED",
            configuration=_configuration(manifest, digests),
            passed_tests=of("PASSED"),
            warned_tests=warned,
            failed_tests=failed,
        ),
    )


def _configuration(manifest: Manifest, digests: Mapping[str, str]) -> tuple[Descriptor, ...]:
    """Return the references of the comparison, and its main figures."""
    verify: dict[str, Any] = to_json(manifest.verify)
    compared = {key: verify[key] for key in ("proof", "frames", "runtime", "reference_runtime")}
    if "at" in verify:
        compared["at"] = {
            key: verify["at"][key] for key in ("build", "vehicle", "recording", "frame", "equal", "alike")
        }
    keep = ("max_abs", "margin", "tolerance", "failures")
    compared["outputs"] = {
        name: {key: output[key] for key in keep} for name, output in verify["outputs"].items()
    }
    if manifest.precision is not None:
        compared["loss"] = to_json(manifest.precision.outputs)
    reference = str(manifest.source.get("reference", ""))
    return (
        Descriptor(
            name="original", digest=content(manifest.digests.model), annotations={"reference": reference}
        ),
        Descriptor(name="calibration", digest=content(manifest.digests.profile)),
        Descriptor(name=FILE_NAME, digest={"sha256": bare(digests[FILE_NAME])}, annotations=compared),
    )


def _comparison(manifest: Manifest) -> Iterator[Check]:
    """Yield the comparison of every output with the original; none at all is a failure."""
    outputs = manifest.verify.outputs
    whole = manifest.verify.passed and bool(outputs)
    original = "original" if manifest.baked is None else "original with lenses"
    at, what = manifest.verify.at, "output"
    if at is None:
        yield Check(f"comparison with the {original}", "PASSED" if whole else "FAILED")
    else:
        what = "value at a site"
        yield Check(f"comparison with the {original} at the sites", "PASSED" if whole else "FAILED")
        yield Check(f"nodes and weights elsewhere: those of build {at.build}, proven whole", "PASSED")
        for name, factor in sorted(at.moved.items()):
            yield Check(f"{what} {name}: moves with the cameras", "PASSED" if factor >= SHOWN else "WARNED")
    for name, output in sorted(outputs.items()):
        yield Check(f"{what} {name}: equals the {original}'s", "PASSED" if output.passed else "FAILED")
    if manifest.baked is not None:
        model, cut = manifest.baked.model, manifest.baked.cut
        yield Check(f"baked lenses: another function than {model}", "WARNED")
        yield Check(f"only the projection of {model} was exchanged", "FAILED" if cut is None else "PASSED")


def _power(power: Power | None) -> Iterator[Check]:
    """Yield what shows that the comparison could have failed."""
    if power is None:
        yield Check("power of the comparison: not measured", "WARNED")
        return
    if power.empty:
        yield Check(f"power of the comparison: none, {power.empty}", "WARNED")
    for influence in power.influences:
        name = f"{influence.kind} {influence.name}".rstrip()
        yield Check(f"{name}: a change moves an output", "PASSED" if influence.shown else "WARNED")
    for site in power.sites:
        yield Check(
            f"site {site.where}: exactly the computed rows matter", "PASSED" if site.shown else "WARNED"
        )


def _witness(witness: Witness) -> Iterator[Check]:
    """Yield what agrees with the second computation of the geometry: a build with a difference is not written."""
    for each in witness.inputs:
        yield Check(f"witness: input {each.name}", "PASSED")
    for number, _ in enumerate(witness.grids):
        yield Check(f"witness: visible sets of grid {number}", "PASSED")
    for site in witness.sites:
        yield Check(f"witness: rows of site {site.where}", "PASSED")
    if witness.envelope is not None:
        yield Check("witness: envelope", "PASSED")
    for name in sorted(witness.tables):
        yield Check(f"witness: table {name}", "PASSED")
    for text in witness.not_witnessed:
        yield Check(f"witness: not compared: {text}", "WARNED")


def _allowed(manifest: Manifest) -> Iterator[Check]:
    """Yield doubts about the calibration, and what a person accepted."""
    for code in manifest.plausibility.doubts:
        yield Check(f"plausibility: {code}", "WARNED")
    for text in manifest.plausibility.not_compared:
        yield Check(f"plausibility: not judged: {text}", "WARNED")
    for code in manifest.allowed:
        yield Check(f"allowed: {code}", "WARNED")
