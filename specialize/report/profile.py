"""Turn a calibration profile into a page, or into one picture."""

from __future__ import annotations

from collections.abc import Mapping

from specialize.calibration.profile import CalibrationProfile
from specialize.digest import short
from specialize.model.spec import ModelSpec
from specialize.report.ground import Scene
from specialize.report.html import picture_svg, to_html
from specialize.report.rig import rig_parts
from specialize.report.rig_top import field_picture
from specialize.text.document import Fact, Heading, Page, pairs
from specialize.text.units import counted


def profile_report(
    profile: CalibrationProfile,
    findings: tuple[str, ...],
    spec: ModelSpec | None = None,
    images: Mapping[str, str] | None = None,
) -> str:
    """Return the HTML of a calibration.

    Args:
        profile: The vehicle.
        findings: What looks wrong about it, as sentences.
        spec: The model whose queries are drawn, if any.
        images: Data URLs of what cameras saw, by name.
    """
    kinds = dict.fromkeys(camera.lens.MODEL if camera.lens else "pinhole" for camera in profile.cameras)
    raw = sum(camera.is_raw for camera in profile.cameras)
    images_given = "all raw" if raw == len(profile.cameras) else f"{raw} raw" if raw else "none raw"
    place = "known" if profile.ego_from_lidar is not None else "not known"
    facts = (
        Fact("Which vehicle?", profile.vehicle, f"profile {short(profile.digest)}"),
        Fact(
            "Which cameras?",
            counted(len(profile.cameras), "camera"),
            f"{', '.join(kinds)}; images: {images_given}",
        ),
        Fact("Where is the lidar?", place, "its pose on the vehicle; points of models are in its frame"),
        Fact(
            "Does anything look wrong?",
            counted(len(findings), "finding") if findings else "Nothing",
            "as `specialize profile check` finds it",
            "bad" if findings else "good",
        ),
    )
    page = Page(
        title=f"The cameras of {profile.vehicle}",
        subtitle="a calibration, as the profile states it"
        + ("" if spec is None else f", and the queries of {spec.name}"),
        warnings=findings,
        facts=facts,
        parts=(
            *rig_parts(profile, spec, images),
            Heading("Digest"),
            pairs([("profile", profile.digest)], "code"),
        ),
    )
    return to_html(page)


def profile_svg(profile: CalibrationProfile) -> str:
    """Return what the cameras see of the ground as an SVG file."""
    return picture_svg(field_picture(Scene.of(profile)))
