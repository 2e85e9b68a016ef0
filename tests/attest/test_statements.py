"""What a build states, parsed by the bindings that in-toto publishes, and nothing that differs between equal builds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from specialize.artifact import Build, BuildKey, Manifest, build_digests
from specialize.artifact.witness import Witness
from specialize.attest import attest_build
from specialize.attest.provenance import BUILDER
from specialize.attest.results import test_result as stated_result
from specialize.evidence.comparison import NOT_COMPARED, VerifyReport
from specialize.evidence.power import Power
from specialize.version import LIBRARIES
from tests.artifact.examples import manifest
from tests.attest.builds import Made
from tests.cli.running import modules_of, run_here

PREDICATES: dict[str, type[Message]] = {
    "provenance.intoto.json": Provenance,
    "test-result.intoto.json": test_result_pb2.TestResult,
}
DIGESTS = {"manifest.json": f"sha256:{'1' * 64}", "model.onnx": f"sha256:{'2' * 64}"}


def stated(build: Path, output: Path, name: str) -> dict[str, Any]:
    """Return a statement about a build."""
    attest_build(build, output)
    data: dict[str, Any] = json.loads((output / name).read_text())
    return data


@pytest.mark.parametrize("build", ["car42", "tables"])
@pytest.mark.parametrize("name", PREDICATES)
def test_the_official_bindings_read_every_statement(
    made: Made, tmp_path: Path, build: str, name: str
) -> None:
    """Statement and predicate parse without an unknown key, are valid, and say the same when written again."""
    data = stated(made.folder / build, tmp_path, name)
    message = json_format.ParseDict(data, StatementMessage())
    Statement.copy_from_pb(message).validate()
    assert json_format.MessageToDict(message) == data
    predicate = json_format.ParseDict(data["predicate"], PREDICATES[name]())
    again = json_format.MessageToDict(predicate)
    assert again == {key: value for key, value in data["predicate"].items() if value != []}


def test_the_bindings_refuse_what_is_no_statement() -> None:
    """A key that the specification does not have is noticed by the check above."""
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"result": "PASSED", "passed_test": []}, test_result_pb2.TestResult())


@pytest.mark.parametrize("name", PREDICATES)
def test_every_file_of_the_build_is_a_subject(made: Made, tmp_path: Path, name: str) -> None:
    """The subjects are all files of the build with their sha256, its manifest among them."""
    data = stated(made.folder / "car42", tmp_path, name)
    found = {each["name"]: f"sha256:{each['digest']['sha256']}" for each in data["subject"]}
    assert found == build_digests(made.folder / "car42")
    assert "manifest.json" in found and "model.onnx" in found


def test_equal_builds_give_equal_bytes(made: Made, tmp_path: Path) -> None:
    """A copy in another folder states the same, and no folder and no host is named."""
    names = [*PREDICATES, "model.sig.unsigned.json"]
    attest_build(made.folder / "car42", tmp_path / "a")
    attest_build(made.copy("car42", tmp_path / "elsewhere"), tmp_path / "b")
    for name in names:
        text = (tmp_path / "a" / name).read_bytes()
        assert text == (tmp_path / "b" / name).read_bytes()
        assert str(made.folder).encode() not in text and b"elsewhere" not in text


def test_the_key_in_the_manifest_is_the_build_key(made: Made) -> None:
    """What the provenance takes from the manifest is what the build was keyed by."""
    for name in ("car42", "tables"):
        kept = Build.open(made.folder / name).manifest
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in kept.key.items()}
        assert BuildKey(**values).digest() == kept.digests.build
        assert set(kept.libraries) == set(LIBRARIES)


def test_provenance_names_all_that_went_in(made: Made, tmp_path: Path) -> None:
    """Options, libraries, compiler, profile, model, sidecar and further profiles are there; no time, no invocation."""
    predicate = stated(made.folder / "tables", tmp_path, "provenance.intoto.json")["predicate"]
    definition, kept = predicate["buildDefinition"], Build.open(made.folder / "tables").manifest
    options = definition["externalParameters"]["options"]
    assert (options["mode"], options["frames"], options["layout"]) == ("tables", 1, "ragged")
    assert definition["internalParameters"]["libraries"] == kept.libraries
    parts = {each["name"]: each for each in definition["resolvedDependencies"]}
    assert list(parts) == ["profile", "model", "sidecar", "specialize", "capacity_over[0]"]
    assert parts["model"]["digest"]["specializeContent"] == kept.digests.model.removeprefix("sha256:")
    assert parts["profile"]["digest"]["sha256"] == build_digests(made.folder / "tables")["profile.yaml"][7:]
    assert parts["specialize"]["annotations"]["code"] == kept.key["compiler"]
    assert predicate["runDetails"] == {"builder": {"id": BUILDER, "version": {"specialize": kept.compiler}}}


def test_the_result_names_every_comparison(made: Made, tmp_path: Path) -> None:
    """Each output, influence, site and witnessed part is a check by name, with the figures that decide."""
    predicate = stated(made.folder / "car42", tmp_path, "test-result.intoto.json")["predicate"]
    kept = Build.open(made.folder / "car42").manifest
    assert predicate["failedTests"] == []
    assert "output bev: equals the original's" in predicate["passedTests"]
    assert "witness: input lidar2img" in predicate["passedTests"]
    assert kept.power is not None
    assert sum("moves an output" in name for name in predicate["passedTests"]) == sum(
        each.shown for each in kept.power.influences
    )
    configuration = {each["name"]: each for each in predicate["configuration"]}
    figures = configuration["manifest.json"]["annotations"]
    assert figures["frames"] == kept.verify.frames
    assert figures["outputs"]["bev"]["max_abs"] == kept.verify.outputs["bev"].max_abs
    assert configuration["original"]["annotations"] == {"reference": "the user's file"}


def clean() -> Manifest:
    """Return a manifest of a build in which every check was made and found nothing."""
    power = manifest().power
    assert power is not None
    power = msgspec.structs.replace(
        power,
        influences=tuple(msgspec.structs.replace(each, shown=True) for each in power.influences),
        sites=tuple(msgspec.structs.replace(each, shown=True) for each in power.sites),
    )
    witness = msgspec.structs.replace(manifest().witness, not_witnessed=())
    return msgspec.structs.replace(manifest(), power=power, witness=witness)


def unequal() -> VerifyReport:
    """Return a comparison in which one output differs."""
    verify = manifest().verify
    output = msgspec.structs.replace(verify.outputs["bev_embed"], passed=False)
    return msgspec.structs.replace(verify, outputs={"bev_embed": output}, passed=False)


@pytest.mark.parametrize(
    ("changes", "result", "name"),
    [
        ({}, "PASSED", ""),
        ({"verify": unequal()}, "FAILED", "output bev_embed: equals the original's"),
        ({"verify": NOT_COMPARED}, "FAILED", "comparison with the original"),
        (
            {"verify": msgspec.structs.replace(NOT_COMPARED, passed=True)},
            "FAILED",
            "comparison with the original",
        ),
        ({"power": None}, "WARNED", "power of the comparison: not measured"),
        (
            {"power": Power(frame=0, influences=(), empty="zeros")},
            "WARNED",
            "power of the comparison: none, zeros",
        ),
        ({"power": manifest().power}, "WARNED", "input can_bus: a change moves an output"),
        ({"witness": Witness(not_witnessed=("grid 1",))}, "WARNED", "witness: not compared: grid 1"),
        ({"allowed": ("rig-upside-down",)}, "WARNED", "allowed: rig-upside-down"),
    ],
)
def test_a_verdict_is_the_worst_check(changes: dict[str, Any], result: str, name: str) -> None:
    """What differs fails, what could not be shown or was allowed warns, and nothing compared is no success."""
    predicate = stated_result(msgspec.structs.replace(clean(), **changes), DIGESTS).predicate
    assert predicate.result == result
    listed = {"FAILED": predicate.failed_tests, "WARNED": predicate.warned_tests, "PASSED": ("",)}
    assert name in listed[result]
    assert len({*predicate.passed_tests, *predicate.warned_tests, *predicate.failed_tests}) == sum(
        map(len, (predicate.passed_tests, predicate.warned_tests, predicate.failed_tests))
    )


def test_attesting_imports_no_runtime(made: Made, tmp_path: Path) -> None:
    """Without a key it takes no package that computes or signs."""
    modules = modules_of("attest", made.folder / "car42", "-o", tmp_path / "out")
    packages = {name.partition(".")[0] for name in modules}
    assert packages & {"onnx", "onnxruntime", "torch", "model_signing", "cryptography", "google"} == set()


def test_a_statement_is_checked_without_running_a_model(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Statements of the build itself are right; the store is not asked."""
    attest_build(made.folder / "car42", tmp_path)
    flags = [word for name in PREDICATES for word in ("--statement", tmp_path / name)]
    ran = run_here(capsys, "verify", made.folder / "car42", *flags, "--json")
    assert ran.code == 0, ran.err
    assert len(json.loads(ran.out)["statements"]) == 2
    assert run_here(capsys, "verify", made.folder / "car42", *flags).out.count("statement: ") == 2


@pytest.mark.parametrize("name", PREDICATES)
def test_a_statement_of_another_build_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What was stated about one vehicle's build is not of another's: exit 4, and the file that differs."""
    attest_build(made.folder / "car43", tmp_path)
    ran = run_here(capsys, "verify", made.folder / "car42", "--statement", tmp_path / name)
    assert ran.code == 4
    assert "manifest.json: expected sha256" in ran.err and "another build" in ran.err


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("test-result.intoto.json", ("predicate", "result"), "FAILED"),
        ("test-result.intoto.json", ("predicate", "failedTests"), ["x"]),
        ("provenance.intoto.json", ("predicate", "buildDefinition", "externalParameters", "model"), "other"),
        ("provenance.intoto.json", ("predicate", "runDetails", "builder", "id"), "urn:other"),
        ("provenance.intoto.json", ("predicate", "more"), 1),
    ],
)
def test_an_edited_statement_is_refused(
    made: Made,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    place: tuple[str, ...],
    value: object,
) -> None:
    """A statement about the right files that says something else: exit 4, and the key that differs."""
    data = stated(made.folder / "car42", tmp_path, name)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / name).write_text(json.dumps(data))
    ran = run_here(capsys, "verify", made.folder / "car42", "--statement", tmp_path / name)
    assert ran.code == 4
    assert f"{name}: {'.'.join(place)}: expected the value in the build's manifest" in ran.err


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"_type": "https://in-toto.io/Statement/v1"}', "[" * 10_000]
)
def test_what_is_no_statement_is_named(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """A truncated or foreign file: exit 1, and what to name instead."""
    (tmp_path / "s.json").write_text(text)
    ran = run_here(capsys, "verify", made.folder / "car42", "--statement", tmp_path / "s.json")
    assert (ran.code, "that `specialize attest` wrote" in ran.err) == (1, True), ran.err


@pytest.mark.parametrize(
    "subject", [None, 3, [], [{}], [{"name": "a", "digest": {}}], [{"name": "a"}] * 2, {"a": 1}]
)
def test_subjects_that_are_none_are_named(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], subject: object
) -> None:
    """Anything but a list of subjects is an error: exit 1."""
    data = stated(made.folder / "car42", tmp_path, "provenance.intoto.json")
    (tmp_path / "s.json").write_text(json.dumps({**data, "subject": subject}))
    ran = run_here(capsys, "verify", made.folder / "car42", "--statement", tmp_path / "s.json")
    assert (ran.code, "s.json: subject: expected" in ran.err) == (1, True), ran.err


def test_a_build_of_an_older_version_is_named(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A manifest that does not say what was asked for cannot be attested, and nothing is written."""
    from specialize.artifact import write_manifest

    build = made.copy("car42", tmp_path / "build")
    write_manifest(build, msgspec.structs.replace(Build.open(build).manifest, key={}))
    ran = run_here(capsys, "attest", build, "-o", tmp_path / "out")
    assert (ran.code, "build again" in ran.err) == (1, True)
    assert not (tmp_path / "out").exists()
