"""Findings as SARIF: what code hosts take, and where it points."""

# The names of the fields are SARIF's.

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from specialize.calibration.lint.findings import Finding, Linted, findings_to_sarif
from specialize.calibration.lint.rules import RULES
from tests.calibration.authored import PROFILES


class Text(msgspec.Struct, forbid_unknown_fields=True):
    """`message` of SARIF 2.1.0."""

    text: str


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """`reportingDescriptor`."""

    id: str
    shortDescription: Text


class Artifact(msgspec.Struct, forbid_unknown_fields=True):
    """`artifactLocation`; a URI reference has no blanks."""

    uri: Annotated[str, msgspec.Meta(pattern=r"^[!#-;=?-\[\]_a-z~%]+$")]


class Region(msgspec.Struct, forbid_unknown_fields=True):
    """`region`; lines count from 1."""

    startLine: Annotated[int, msgspec.Meta(ge=1)]


class Physical(msgspec.Struct, forbid_unknown_fields=True):
    """`physicalLocation`."""

    artifactLocation: Artifact
    region: Region


class Location(msgspec.Struct, forbid_unknown_fields=True):
    """`location`."""

    physicalLocation: Physical
    logicalLocations: tuple[dict[str, str], ...] = ()


class Result(msgspec.Struct, forbid_unknown_fields=True):
    """`result`."""

    ruleId: str
    ruleIndex: Annotated[int, msgspec.Meta(ge=0)]
    level: Literal["none", "note", "warning", "error"]
    message: Text
    locations: tuple[Location, ...]


class Driver(msgspec.Struct, forbid_unknown_fields=True):
    """`toolComponent`."""

    name: str
    semanticVersion: str
    rules: tuple[Rule, ...]


class Run(msgspec.Struct, forbid_unknown_fields=True):
    """`run`."""

    tool: dict[Literal["driver"], Driver]
    results: tuple[Result, ...]


class Log(msgspec.Struct, forbid_unknown_fields=True, rename={"schema": "$schema"}):
    """`sarifLog`; code hosts take one run of a tool."""

    schema: str
    version: Literal["2.1.0"]
    runs: tuple[Run]


def taken(files: list[Linted]) -> Run:
    """Return the one run of a log, as strict a reader as a code host."""
    text = msgspec.json.encode(findings_to_sarif(files, RULES))
    return msgspec.json.decode(text, type=Log).runs[0]


def finding(camera: str = "CAM_BACK") -> Finding:
    """Return a finding about one camera."""
    return Finding("intrinsic-resolution", "error", camera, "it is wrong", "mend it")


def test_a_finding_points_to_the_line_of_its_camera() -> None:
    """File, line and camera are stated, and the index leads to the rule."""
    text = (PROFILES / "car42.yaml").read_text()
    run = taken([Linted("calib_profiles/car42.yaml", (finding(),), text)])
    (result,) = run.results
    assert run.tool["driver"].rules[result.ruleIndex].id == result.ruleId == "intrinsic-resolution"
    place = result.locations[0]
    assert text.splitlines()[place.physicalLocation.region.startLine - 1].strip() == "- name: CAM_BACK"
    assert place.logicalLocations == ({"name": "CAM_BACK", "kind": "object"},)
    assert (result.level, result.message.text) == ("error", "it is wrong. mend it.")


def test_many_files_are_one_run() -> None:
    """Code hosts refuse several runs of one tool; files without findings leave no trace in it."""
    run = taken(
        [Linted("a.yaml", (finding(), finding(""))), Linted("b.yaml", ()), Linted("c.yaml", (finding(),))]
    )
    places = [result.locations[0].physicalLocation.artifactLocation.uri for result in run.results]
    assert places == ["a.yaml", "a.yaml", "c.yaml"]
    assert len(run.tool["driver"].rules) == len(RULES)


def test_a_path_becomes_a_uri() -> None:
    """Blanks and letters beyond ASCII are escaped; the reader above refuses them otherwise."""
    (result,) = taken([Linted("my cars/ü.yaml", (finding(),))]).results
    assert result.locations[0].physicalLocation.artifactLocation.uri == "my%20cars/%C3%BC.yaml"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"uri": "my cars/a.yaml"}, Artifact)
