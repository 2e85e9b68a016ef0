"""Check whether a calibration fits a model: report findings by cause, and reject errors that are not allowed.

The check runs before anything is exported or run. Allowed errors are named by the code of the finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from specialize.calibration.lint.causes import grouped, with_causes
from specialize.calibration.lint.expected import Expected, ExpectedImage, ExpectedPoints
from specialize.calibration.lint.findings import Finding
from specialize.calibration.lint.rules import RULES, lint
from specialize.calibration.off import cameras_off
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError, closest
from specialize.model.parts import ImagePrep
from specialize.model.spec import ModelSpec
from specialize.plausibility.constants import constant_findings
from specialize.plausibility.guesses import guess_findings
from specialize.plausibility.values import VALUE_RULES, see_points, values_findings

OFF_RULES = {"off-but-used": "A camera is off, but the model attends to all pixels of all images"}
ALL_RULES = {**RULES, **VALUE_RULES, **OFF_RULES}
NEVER_ALLOWED = ("lens-not-in-model",)
"""Errors that leave nothing to go on with: the model needs a matrix, and the profile has none that is the camera's."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Result of the check, without errors except allowed ones.

    Attributes:
        findings: All findings.
        warnings: The same as text, grouped by cause, without notes.
    """

    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


def expected_of(spec: ModelSpec) -> Expected:
    """Return what a model expects of a profile."""
    points = spec.points
    return Expected(
        cameras=spec.cameras,
        image=_image(spec.image),
        images=tuple(_image(image) for image in spec.images),
        points=None if points is None else ExpectedPoints(points.x, points.origin, points.height_m),
        lens="" if spec.lens is None else spec.lens.model,
    )


def look_over(profile: CalibrationProfile, spec: ModelSpec) -> tuple[Finding, ...]:
    """Return all findings about a profile for a model: about the profile itself, and about what its cameras see."""
    held = constant_findings(spec.constants(), len(profile.cameras))
    found = (*lint(profile, expected_of(spec)), *held, *guess_findings(spec.guessed))
    if spec.images and len(spec.images) != len(profile.cameras):
        return found  # the model has no matrices for these cameras; whatever needs them reports that
    seen = values_findings(see_points(spec, profile), cameras_off(profile))
    return with_causes((*found, *_off_but_used(profile, spec), *seen))


def _off_but_used(profile: CalibrationProfile, spec: ModelSpec) -> Iterator[Finding]:
    """Yield a finding for each camera that is off, if the model computes with its images whatever it sees."""
    if spec.grids or spec.frustum is not None:
        return
    for name in cameras_off(profile):
        message = (
            "the camera is off, but the model attends to all pixels of all images: it would use this one's"
        )
        mend = "remove --without; no calibration takes a camera out of such a model"
        yield Finding("off-but-used", "error", name, message, mend)


def inspect_profile(profile: CalibrationProfile, spec: ModelSpec | None = None) -> tuple[Finding, ...]:
    """Return all findings about a profile, for a model if one is given.

    Raises:
        InputError: The profile lacks a matrix that the model needs.
    """
    return lint(profile) if spec is None else look_over(profile, spec)


def fits(profile: CalibrationProfile, spec: ModelSpec) -> bool:
    """Return whether a model can use a profile as it is."""
    try:
        return not any(finding.severity == "error" for finding in look_over(profile, spec))
    except InputError:
        return False


def require_fit(profile: CalibrationProfile, spec: ModelSpec, allow: Sequence[str], where: str) -> Fit:
    """Reject a profile that does not fit a model.

    Args:
        profile: The calibration.
        spec: The model.
        allow: Codes of allowed errors.
        where: Name of the profile in errors.

    Raises:
        InputError: There are errors that are not allowed.
    """
    return judged(look_over(profile, spec), profile, allow, where, spec.name)


def judged(
    findings: Sequence[Finding], profile: CalibrationProfile, allow: Sequence[str], where: str, model: str
) -> Fit:
    """Turn findings into a result.

    Raises:
        InputError: There are errors that are not allowed; they are grouped by cause.
    """
    names = profile.camera_names()
    accepted = set(allow) - set(NEVER_ALLOWED)
    wrong = [finding for finding in findings if finding.severity == "error" and finding.code not in accepted]
    if wrong:
        codes = list(dict.fromkeys(finding.code for finding in wrong))
        groups = grouped(with_causes(wrong), names)
        told = "".join(f"\n  {line}" for group in groups for line in str(group).splitlines())
        hint = "correct the profile or the sidecar"
        if not set(codes) & set(NEVER_ALLOWED):
            allowed = " ".join(f"--allow {code}" for code in codes)
            hint += f"; if you are certain that this is intended, use {allowed}"
        found = f"{len(groups)} {'error' if len(groups) == 1 else 'errors'}:{told}"
        raise InputError(where, f"a calibration that fits {model}", found, hint)
    shown = [finding for finding in findings if finding.severity != "note"]
    return Fit(tuple(findings), tuple(_warning(group) for group in grouped(shown, names)))


def require_known_codes(allow: Sequence[str], others: Sequence[str] = ()) -> None:
    """Reject codes that no finding has and that are not in `others`.

    Raises:
        UsageError: There is no finding with such a code, or it cannot be allowed.
    """
    known = (*ALL_RULES, *others)
    for code in allow:
        if code in NEVER_ALLOWED:
            hint = (
                "the model needs the matrix of undistorted images: give it as `intrinsic:` beside the `lens`; or let "
                "the lens take the matrix's place with --bake-lenses"
            )
            raise UsageError("--allow", "an error that a build can do with", repr(code), hint)
        if code not in known:
            raise UsageError("--allow", "the code of a finding", repr(code), closest(code, known))


def _warning(group: object) -> str:
    """Return a group as text; an error among the warnings is one that was allowed."""
    severity, _, text = str(group).partition(" ")
    return f"allowed error {text}" if severity == "error" else text


def _image(image: ImagePrep) -> ExpectedImage:
    return ExpectedImage(image.size_px, image.scale, image.crop_px, image.raw_size_px)
