"""A signed build is accepted by the standard tool and by us, by neither once a bit, a key or the build is another."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from specialize.artifact import Build, write_manifest
from specialize.attest import attest_build
from specialize.attest.making import SIGNED, UNSIGNED
from tests.attest.builds import Made, write_keys
from tests.cli.running import Ran, run_here

Keys = tuple[Path, Path]


def standard_tool(action: str, build: Path, key: Path, signature: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line of `model-signing`."""
    option = "--private_key" if action == "sign" else "--public_key"
    words = [action, "key", str(build), option, str(key), "--signature", str(signature)]
    return subprocess.run(
        [sys.executable, "-m", "model_signing", *words], capture_output=True, text=True, check=False
    )


def verified(capsys: pytest.CaptureFixture[str], build: Path, signature: Path, key: Path) -> Ran:
    """Check a signature with `specialize verify`."""
    return run_here(capsys, "verify", build, "--signature", signature, "--public-key", key)


def payload_of(bundle: Path) -> dict[str, Any]:
    """Return the statement in a bundle."""
    data: dict[str, Any] = json.loads(
        base64.b64decode(json.loads(bundle.read_text())["dsseEnvelope"]["payload"])
    )
    return data


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521"])
@pytest.mark.parametrize("build", ["car42", "tables"])
def test_the_standard_tool_accepts_a_signed_build(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], build: str, kind: str
) -> None:
    """What `attest --key` signs, the command line of model-signing verifies, and so does `specialize verify`."""
    private, public = write_keys(tmp_path, kind=kind)
    ran = run_here(capsys, "attest", made.folder / build, "-o", tmp_path / "out", "--key", private, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["signed"] is True
    done = standard_tool("verify", made.folder / build, public, tmp_path / "out" / SIGNED)
    assert done.returncode == 0, done.stderr
    ours = verified(capsys, made.folder / build, tmp_path / "out" / SIGNED, public)
    assert (ours.code, "no model was run" in ours.out) == (0, True), ours.err


def test_what_the_standard_tool_signed_is_accepted(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """A signature need not be made by us."""
    assert standard_tool("sign", made.folder / "car42", keys[0], tmp_path / SIGNED).returncode == 0
    assert verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1]).code == 0


def test_the_unsigned_manifest_is_what_gets_signed(made: Made, tmp_path: Path, keys: Keys) -> None:
    """It is, but for the informative name of its subject, the statement that model-signing makes of the folder."""
    attest_build(made.folder / "tables", tmp_path / "a")
    attest_build(made.folder / "tables", tmp_path / "b", keys[0])
    unsigned, signed = payload_of(tmp_path / "a" / UNSIGNED), payload_of(tmp_path / "b" / SIGNED)
    assert [unsigned["subject"][0].pop("name"), signed["subject"][0].pop("name")] == ["car42", "tables"]
    assert unsigned == signed


def test_another_signer_may_sign_the_unsigned_manifest(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """A signature over its payload, by a signer that we do not know, makes a bundle that both accept."""
    attest_build(made.folder / "car42", tmp_path)
    bundle = json.loads((tmp_path / UNSIGNED).read_text())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    kind = bundle["dsseEnvelope"]["payloadType"]
    private = serialization.load_pem_private_key(keys[0].read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    encoded = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    signed = base64.b64encode(private.sign(encoded, ec.ECDSA(hashes.SHA256()))).decode()
    bundle["dsseEnvelope"]["signatures"] = [{"sig": signed, "keyid": ""}]
    bundle["verificationMaterial"]["publicKey"] = {"hint": hashlib.sha256(keys[1].read_bytes()).hexdigest()}
    (tmp_path / SIGNED).write_text(json.dumps(bundle))
    assert standard_tool("verify", made.folder / "car42", keys[1], tmp_path / SIGNED).returncode == 0
    assert verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1]).code == 0


def test_one_flipped_bit_in_any_file_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """Each file of a build in turn, with one bit flipped: exit 1 that names it, and the standard tool refuses too."""
    build = made.copy("tables", tmp_path / "build")
    attest_build(build, tmp_path / "out", keys[0])
    for path in sorted(path for path in build.rglob("*") if path.is_file()):
        good = path.read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            ran = verified(capsys, build, tmp_path / "out" / SIGNED, keys[1])
            assert (ran.code, path.name in ran.err) == (1, True), (path, place, ran.err)
        assert standard_tool("verify", build, keys[1], tmp_path / "out" / SIGNED).returncode == 1
        path.write_bytes(good)
    assert verified(capsys, build, tmp_path / "out" / SIGNED, keys[1]).code == 0


def test_a_manifest_that_was_edited_whole_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """A manifest that is edited together with its digest passes every digest check, but not the signature: exit 4."""
    build = made.copy("car42", tmp_path / "build")
    attest_build(build, tmp_path / "out", keys[0])
    write_manifest(build, msgspec.structs.replace(Build.open(build).manifest, warnings=("all is well",)))
    Build.intact(build)
    ran = verified(capsys, build, tmp_path / "out" / SIGNED, keys[1])
    assert (ran.code, "model.sig: manifest.json: expected sha256" in ran.err) == (4, True), ran.err


def test_the_signature_of_another_build_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """A good signature by the right key over another vehicle's build: exit 4."""
    attest_build(made.folder / "car43", tmp_path, keys[0])
    ran = verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1])
    assert (ran.code, "it is of another build" in ran.err) == (4, True), ran.err


def test_another_key_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """A signature with another key: exit 4, and so is one whose hint was changed to the expected key."""
    _, stranger = write_keys(tmp_path, "stranger")
    attest_build(made.folder / "car42", tmp_path, keys[0])
    ran = verified(capsys, made.folder / "car42", tmp_path / SIGNED, stranger)
    assert (ran.code, "expected a signature of" in ran.err) == (4, True), ran.err
    bundle = json.loads((tmp_path / SIGNED).read_text())
    bundle["verificationMaterial"]["publicKey"]["hint"] = hashlib.sha256(stranger.read_bytes()).hexdigest()
    (tmp_path / SIGNED).write_text(json.dumps(bundle))
    ran = verified(capsys, made.folder / "car42", tmp_path / SIGNED, stranger)
    assert (ran.code, "expected a signature of" in ran.err) == (4, True), ran.err


def test_a_signature_for_other_digests_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """A payload that was replaced by that of the build, under a signature of something else: exit 4."""
    attest_build(made.folder / "car43", tmp_path / "other", keys[0])
    attest_build(made.folder / "car42", tmp_path / "own")
    bundle = json.loads((tmp_path / "other" / SIGNED).read_text())
    own = json.loads((tmp_path / "own" / UNSIGNED).read_text())
    bundle["dsseEnvelope"]["payload"] = own["dsseEnvelope"]["payload"]
    (tmp_path / SIGNED).write_text(json.dumps(bundle))
    ran = verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1])
    assert (ran.code, "expected a signature of" in ran.err) == (4, True), ran.err


def test_a_truncated_bundle_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """A bundle that was cut off anywhere: exit 1."""
    attest_build(made.folder / "car42", tmp_path, keys[0])
    whole = (tmp_path / SIGNED).read_bytes()
    for size in range(0, len(whole), 37):
        (tmp_path / SIGNED).write_bytes(whole[:size])
        ran = verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1])
        assert (ran.code, "a Sigstore bundle" in ran.err) == (1, True), (size, ran.err)


def test_flipped_bits_of_payload_and_signature_are_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """No bit of what was signed, or of the signature, may change; whatever it hits, the exit code is 1 or 4."""
    attest_build(made.folder / "car42", tmp_path, keys[0])
    bundle = json.loads((tmp_path / SIGNED).read_text())
    envelope = bundle["dsseEnvelope"]

    def refused(place: dict[str, str], key: str, raw: bytes) -> bool:
        kept, place[key] = place[key], base64.b64encode(raw).decode()
        (tmp_path / SIGNED).write_text(json.dumps(bundle))
        place[key] = kept
        return verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1]).code in (1, 4)

    for place, key, step in ((envelope, "payload", 23), (envelope["signatures"][0], "sig", 5)):
        raw = base64.b64decode(place[key])
        for at in range(0, len(raw), step):
            assert refused(place, key, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]), (key, at)
    (tmp_path / SIGNED).write_text(json.dumps(bundle))
    assert verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1]).code == 0


def _without_signature(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] = []


def _other_media(bundle: dict[str, Any]) -> None:
    bundle["mediaType"] = "application/json"


def _no_envelope(bundle: dict[str, Any]) -> None:
    del bundle["dsseEnvelope"]


def _payload_of_numbers(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(b"[1, 2]").decode()


def _other_predicate(bundle: dict[str, Any]) -> None:
    text = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "urn:other"}
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(text).encode()).decode()


@pytest.mark.parametrize(
    "change", [_without_signature, _other_media, _no_envelope, _payload_of_numbers, _other_predicate]
)
def test_what_is_no_signed_bundle_is_named(
    made: Made,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    keys: Keys,
    change: Callable[[dict[str, Any]], None],
) -> None:
    """JSON that is no signature of a model: exit 1, with what to name instead."""
    attest_build(made.folder / "car42", tmp_path, keys[0])
    bundle = json.loads((tmp_path / SIGNED).read_text())
    change(bundle)
    (tmp_path / SIGNED).write_text(json.dumps(bundle))
    ran = verified(capsys, made.folder / "car42", tmp_path / SIGNED, keys[1])
    assert (ran.code, "specialize attest --key" in ran.err) == (1, True), ran.err


def test_an_unsigned_manifest_is_no_signature(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys
) -> None:
    """What was written without a key is refused where a signature is asked for: exit 1."""
    attest_build(made.folder / "car42", tmp_path)
    ran = verified(capsys, made.folder / "car42", tmp_path / UNSIGNED, keys[1])
    assert (ran.code, "signatures: expected a signature, got none" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("use", "kind"),
    [(use, kind) for use in ("sign", "verify") for kind in ("text", "other half", "RSA", "K-256")]
    + [("sign", "password")],
)
def test_what_is_no_usable_key_is_named(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys, use: str, kind: str
) -> None:
    """Text, the wrong half of a pair, other kinds of key, a key with a password: exit 1, and nothing is written."""
    pair = write_keys(
        tmp_path, "bad", b"secret" if kind == "password" else None, kind if kind[-1] in "A6" else "P-256"
    )
    key = pair[use == "verify"]
    if kind == "text":
        key.write_text("no key\n")
    if kind == "other half":
        key = pair[use == "sign"]
    if use == "sign":
        ran = run_here(capsys, "attest", made.folder / "car42", "-o", tmp_path / "out", "--key", key)
        assert not (tmp_path / "out").exists()
    else:
        attest_build(made.folder / "car42", tmp_path, keys[0])
        ran = verified(capsys, made.folder / "car42", tmp_path / SIGNED, key)
    assert (ran.code, "an elliptic-curve key in PEM" in ran.err) == (1, True), ran.err


@pytest.mark.parametrize("option", ["--signature", "--public-key"])
def test_a_signature_needs_a_key(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys, option: str
) -> None:
    """One without the other is a usage error, not a check that passes."""
    ran = run_here(capsys, "verify", made.folder / "car42", option, keys[0])
    assert (ran.code, "with it" in ran.err) == (2, True)


def test_without_the_package_nothing_is_signed_or_accepted(
    made: Made,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the extra is not installed, both uses of a key end with what to install."""
    attest_build(made.folder / "car42", tmp_path / "out", keys[0])
    monkeypatch.setitem(sys.modules, "model_signing", None)
    ran = run_here(capsys, "attest", made.folder / "car42", "-o", tmp_path / "new", "--key", keys[0])
    assert (ran.code, "specialize[sign]" in ran.err, (tmp_path / "new").exists()) == (2, True, False)
    ran = verified(capsys, made.folder / "car42", tmp_path / "out" / SIGNED, keys[1])
    assert (ran.code, "specialize[sign]" in ran.err) == (2, True)


@pytest.mark.parametrize("name", ["notes.txt", "sub/notes.txt", ".gitignore"])
def test_a_further_file_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys, name: str
) -> None:
    """What is not of the build is neither signed nor accepted beside what was: exit 1 with its name."""
    build = made.copy("car42", tmp_path / "build")
    attest_build(build, tmp_path / "out", keys[0])
    (build / name).parent.mkdir(exist_ok=True)
    (build / name).write_text("x")
    for ran in (
        run_here(capsys, "attest", build, "-o", tmp_path / "new"),
        verified(capsys, build, tmp_path / "out" / SIGNED, keys[1]),
    ):
        assert (ran.code, f"{name}: expected only the files of the build" in ran.err) == (1, True), ran.err


def test_a_signature_does_not_go_into_the_build(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder inside the build is refused, however it is spelled, and the build stays as it was."""
    build = made.copy("car42", tmp_path / "build")
    (tmp_path / "link").symlink_to(build)
    for output in (build, build / "sub", tmp_path / "link" / "sub", tmp_path / "x" / ".." / "build"):
        ran = run_here(capsys, "attest", build, "-o", output)
        assert (ran.code, "a place outside of the build" in ran.err) == (1, True), ran.err
    Build.intact(build)


def test_attesting_again_leaves_nothing_of_another_build(made: Made, tmp_path: Path, keys: Keys) -> None:
    """A folder holds a signature or what is to be signed, of the build that was named last."""
    attest_build(made.folder / "car42", tmp_path / "out", keys[0])
    attest_build(made.folder / "car43", tmp_path / "out")
    assert not (tmp_path / "out" / SIGNED).exists()
    attest_build(made.folder / "car42", tmp_path / "out", keys[0])
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [SIGNED, "provenance.intoto.json", "test-result.intoto.json"]
