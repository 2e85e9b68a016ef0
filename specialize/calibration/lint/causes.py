"""Findings by their cause: what one mistake does to several cameras is told once, with what follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from specialize.calibration.lint.findings import Finding, Severity

# Mistakes that spoil the cameras' poses, the deepest first; what else is found of the same cameras follows from them.
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
# A frame that is turned makes every name look wrong.
_TURNED = {"points-forward": frozenset({"name-heading", "camera-swapped"})}


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one rule and one remedy.

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
        """Return the group as a line, how to mend it on a second, and what follows from it on a third."""
        lines = [f"{self.severity} {self.code}: {self.text}", f"    mend: {self.mend}"]
        if self.follows:
            lines.append(f"    explains: {', '.join(self.follows)}")
        return "\n".join(lines)


def with_causes(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings each of which names its cause: its own code, or that of the mistake from which it follows."""
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
    """Return whether a finding of one camera, or of the rig, can come from cameras that are spoiled."""
    return not camera or camera in spoiled or "" in spoiled


def grouped(findings: Sequence[Finding], names: Sequence[str]) -> tuple[Group, ...]:
    """Return findings grouped by cause, in the order in which each cause was met.

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
    """Return what tells groups of one rule apart: the remedy, where it does not only repeat a number."""
    return "".join(letter for letter in finding.mend if not (letter.isdigit() or letter == "."))


def _text(group: list[Finding], names: Sequence[str]) -> str:
    """Return which cameras a group is about, and what was found; of different figures those of the first camera."""
    cameras = [finding.camera for finding in group if finding.camera]
    first = group[0]
    if not cameras:
        return "; ".join(dict.fromkeys(finding.message for finding in group))
    if len(cameras) == 1:
        return f"{first.camera}: {first.message}"
    who = f"all {len(names)} cameras" if set(cameras) == set(names) else ", ".join(cameras)
    alike = all(finding.message == first.message for finding in group)
    return f"{who}: {first.message}" if alike else f"{who}; of {first.camera}: {first.message}"
