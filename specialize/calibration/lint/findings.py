"""What a lint found, as a value, as JSON and as SARIF for code hosts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import quote

from specialize.version import VERSION

Severity = Literal["error", "warning", "note"]

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is probably wrong with a profile.

    Attributes:
        code: Name of the rule, a key of `lint.RULES`.
        severity: `error` if a model cannot work with it, `warning` if a person should look, else `note`.
        camera: The camera concerned; empty for the rig as a whole.
        message: What was found, with numbers.
        mend: What to do about it.
        cause: Code of the finding that explains this one; its own where nothing else does.
    """

    code: str
    severity: Severity
    camera: str
    message: str
    mend: str
    cause: str = ""

    def __str__(self) -> str:
        """Return the finding as one line, and how to mend it on a second."""
        subject = f"{self.camera}: " if self.camera else ""
        return f"{self.severity} {self.code}: {subject}{self.message}\n    mend: {self.mend}"


def findings_to_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return findings as plain values."""
    return [asdict(finding) for finding in findings]


@dataclass(frozen=True, slots=True)
class Linted:
    """A profile that was looked at.

    Attributes:
        path: Its path, relative to the repository's root, with `/` between the parts.
        findings: What was found in it.
        text: Its text, in which the line of each camera is looked up; empty if it cannot be read.
    """

    path: str
    findings: tuple[Finding, ...]
    text: str = ""


def findings_to_sarif(files: Sequence[Linted], rules: dict[str, str]) -> dict[str, Any]:
    """Return the findings of all files as a SARIF 2.1.0 log of one run: code hosts refuse several of one tool.

    Args:
        files: What was looked at.
        rules: Code and description of every rule.
    """
    codes = list(rules)
    results = [
        {
            "ruleId": finding.code,
            "ruleIndex": codes.index(finding.code),
            "level": finding.severity,
            "message": {"text": f"{finding.message}. {finding.mend}."},
            "locations": [_location(finding.camera, file)],
        }
        for file in files
        for finding in file.findings
    ]
    driver = {
        "name": "specialize",
        "semanticVersion": VERSION,
        "rules": [{"id": code, "shortDescription": {"text": rules[code]}} for code in codes],
    }
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _location(camera: str, file: Linted) -> dict[str, Any]:
    """Return the place of a camera: file, line of its name, and its name as a logical place."""
    region = {"startLine": _line_of(camera, file.text)}
    physical = {"artifactLocation": {"uri": quote(file.path)}, "region": region}
    place: dict[str, Any] = {"physicalLocation": physical}
    if camera:
        place["logicalLocations"] = [{"name": camera, "kind": "object"}]
    return place


def _line_of(camera: str, text: str) -> int:
    """Return the number of the line `name: <camera>`, or 1."""
    names = {camera, f"'{camera}'", json.dumps(camera, ensure_ascii=False)}
    for number, line in enumerate(text.splitlines(), start=1):
        key, _, value = line.strip().removeprefix("- ").partition(":")
        if camera and key.strip() == "name" and value.strip() in names:
            return number
    return 1
