"""Define the findings of the lint, and convert them to JSON and to SARIF for code hosts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from specialize.version import VERSION

Severity = Literal["error", "warning", "note"]

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """One probable mistake in a profile.

    Attributes:
        code: Name of the rule, a key of `lint.RULES`.
        severity: `error` if no model can work with it, `warning` if a person should check it, else `note`.
        camera: Name of the camera, or empty for the rig as a whole.
        message: Description of the mistake, with numbers.
        mend: How to fix it.
        cause: Code of the finding that this one follows from, or its own code.
    """

    code: str
    severity: Severity
    camera: str
    message: str
    mend: str
    cause: str = ""

    def __str__(self) -> str:
        """Return the finding as one line, and how to fix it as a second."""
        subject = f"{self.camera}: " if self.camera else ""
        return f"{self.severity} {self.code}: {subject}{self.message}\n    fix: {self.mend}"


@dataclass(frozen=True, slots=True)
class Linted:
    """A profile that was checked.

    Attributes:
        path: Path relative to the repository's root, with `/` as separator.
        findings: Findings about it.
        text: Contents of the file, for the line number of each camera; empty if the file is unreadable.
    """

    path: str
    findings: tuple[Finding, ...]
    text: str = ""


def findings_to_sarif(files: Sequence[Linted], rules: dict[str, str]) -> dict[str, Any]:
    """Return the findings of all files as a SARIF 2.1.0 log with one run: code hosts reject several runs of one tool.

    Args:
        files: Profiles that were checked.
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
    """Return the location of a camera: the file, the line of its name, and the name as a logical location."""
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
