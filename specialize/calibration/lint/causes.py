"""Group findings by cause, so that one mistake in several cameras is reported once, with its consequences."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from specialize.calibration.lint.findings import Finding, Severity

# Mistakes in the cameras' poses, most fundamental first; other findings about the same cameras follow from them.
ROOTS = ("quaternion-order", "extrinsic-inverted", "camera-axes", "centre-far", "lidar-underground")
FOLLOWERS = frozenset(
    {
        "below-ground",
        "blind-sector",
        "camera-pitch",
        "camera-rolled",
        "camera-swapped",
        "camera-twins",
        "centre-far",
        "extrinsic-inverted",
        "ground-unseen",
        "name-heading",
        "nothing-seen",
        "points-forward",
        "points-height",
        "positions-mirrored",
        "view-share",
    }
)
# In a frame that is turned, every name looks wrong.
_TURNED = {"points-forward": frozenset({"name-heading", "camera-swapped"})}


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one rule with the same remedy.

    Attributes:
        code: The rule.
        severity: `error`, `warning` or `note`.
        text: Which cameras, and what was found.
        mend: What to do about it.
        follows: Codes of findings that this one explains.
    """

    code: str
    severity: Severity
    text: str
    mend: str
    follows: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the group as text: the findings, how to fix them, and the findings that follow from them."""
        lines = [f"{self.severity} {self.code}: {self.text}", f"    fix: {self.mend}"]
        if self.follows:
            lines.append(f"    explains: {', '.join(self.follows)}")
        return "\n".join(lines)


def with_causes(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Set the cause of every finding: its own code, or the code of the mistake that it follows from."""
    cameras: dict[str, set[str]] = {}
    for finding in findings:
        if finding.code in (*ROOTS, *_TURNED):
            cameras.setdefault(finding.code, set()).add(finding.camera)
    return tuple(dataclasses.replace(finding, cause=_cause(finding, cameras)) for finding in findings)


def _cause(finding: Finding, cameras: dict[str, set[str]]) -> str:
    for root in ROOTS:
        if root == finding.code:
            break
        if root in cameras and finding.code in FOLLOWERS and _touches(finding.camera, cameras[root]):
            return root
    for root, followers in _TURNED.items():
        if root in cameras and finding.code in followers:
            return root
    return finding.code


def _touches(camera: str, spoiled: set[str]) -> bool:
    """Return whether a finding about one camera, or about the rig, can follow from a mistake in the given cameras."""
    return not camera or camera in spoiled or "" in spoiled


def grouped(findings: Sequence[Finding], names: Sequence[str]) -> tuple[Group, ...]:
    """Group findings by cause, in the order in which the causes first occur.

    Args:
        findings: What was found, with causes.
        names: All cameras of the profile, in order.
    """
    members: dict[tuple[str, str, str], list[Finding]] = {}
    follows: dict[str, dict[str, None]] = {}
    for finding in findings:
        if finding.cause not in ("", finding.code):
            follows.setdefault(finding.cause, {})[finding.code] = None
        else:
            members.setdefault((finding.code, finding.severity, _remedy(finding)), []).append(finding)
    groups = []
    told: set[str] = set()
    for (code, severity, _), group in members.items():
        explained = () if code in told else tuple(follows.get(code, ()))
        told.add(code)
        groups.append(Group(code, severity, _text(group, names), group[0].mend, explained))  # type: ignore[arg-type]
    return tuple(groups)


def _remedy(finding: Finding) -> str:
    """Return the remedy without its numbers, which distinguishes the groups of one rule."""
    return "".join(letter for letter in finding.mend if not (letter.isdigit() or letter == "."))


def _text(group: list[Finding], names: Sequence[str]) -> str:
    """Return the cameras of a group and the message; if the numbers differ, those of the first camera."""
    cameras = [finding.camera for finding in group if finding.camera]
    first = group[0]
    if not cameras:
        return "; ".join(dict.fromkeys(finding.message for finding in group))
    if len(cameras) == 1:
        return f"{first.camera}: {first.message}"
    who = f"all {len(names)} cameras" if set(cameras) == set(names) else ", ".join(cameras)
    alike = all(finding.message == first.message for finding in group)
    return f"{who}: {first.message}" if alike else f"{who}; of {first.camera}: {first.message}"
