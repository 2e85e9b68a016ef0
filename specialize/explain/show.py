"""Write pictures of a calibration: a page, the top view alone, and a recording for viewers.

What draws them is imported only if one is asked for: `plan` and `profile show` answer at once without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specialize.calibration.lint.causes import grouped
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import UsageError
from specialize.explain.plan import resolve_spec
from specialize.files.atomic import write_file
from specialize.model.visible import visible_sets
from specialize.plausibility.fit import inspect_profile


@dataclass(frozen=True, slots=True)
class Shown:
    """What to write about a profile.

    Attributes:
        report: Page to write, if any.
        svg: Picture to write, if any.
        model: Model whose queries the page draws.
        model_spec: Its sidecar.
        images: Folder of images of the cameras.
        mcap: Recording to write for viewers, if any.
    """

    report: Path | None = None
    svg: Path | None = None
    model: str | None = None
    model_spec: Path | None = None
    images: Path | None = None
    mcap: Path | None = None


def write_pictures(profile: CalibrationProfile, shown: Shown) -> Iterator[Path]:
    """Write what is asked for, and yield where.

    Raises:
        UsageError: An option needs another one.
        InputError: An image cannot be read, or the sidecar.
    """
    if shown.images is not None and shown.report is None:
        raise UsageError("--images", "a report to draw on", "none", "add --report FILE")
    asked = shown.model or shown.model_spec
    if asked and shown.report is None and shown.mcap is None:
        raise UsageError(
            "--model", "something to draw its queries in", "none", "add --report FILE or --mcap FILE"
        )
    spec = resolve_spec(shown.model or "", shown.model_spec) if asked else None
    if shown.svg is None and shown.mcap is None and shown.report is None:
        return
    from specialize.report.photos import photos_of
    from specialize.report.profile import profile_report, profile_svg
    from specialize.report.viewer import rig_messages
    from specialize.report.viewer_file import write_messages

    if shown.svg is not None:
        write_file(shown.svg, profile_svg(profile))
        yield shown.svg
    if shown.mcap is not None:
        write_messages(shown.mcap, rig_messages(profile, () if spec is None else visible_sets(spec, profile)))
        yield shown.mcap
    if shown.report is not None:
        groups = grouped(inspect_profile(profile, spec), profile.camera_names())
        findings = tuple(f"{group.text}; {group.mend}." for group in groups if group.severity != "note")
        images = {} if shown.images is None else photos_of(profile, shown.images)
        write_file(shown.report, profile_report(profile, findings, spec, images))
        yield shown.report
