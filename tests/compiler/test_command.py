"""The command that a check prints makes the same kind of build again, whatever options it was made with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from specialize.artifact.key import BuildKey
from specialize.cli.cmd_build import command as build_command
from specialize.compiler.command import FILES, FLAGS, NAMED_ELSEWHERE, PLAIN, rebuild
from specialize.request import BuildRequest
from tests.artifact.examples import manifest

CALIB, FOLDER = Path("today.yaml"), Path("build/car42")

PLAIN_KEY = dataclasses.asdict(
    BuildKey(vehicle="car42", profile="", calibration="", model="", spec="", frames=4, compiler="")
)


def words_of(vehicle: str = "car42", allowed: tuple[str, ...] = (), **key: object) -> tuple[str, ...]:
    """Return the command for a build that was made with these options."""
    made = msgspec.structs.replace(
        manifest(), key=PLAIN_KEY | key, vehicle="car42", allowed=allowed, source={"kind": "zoo"}
    )
    return tuple(map(str, rebuild(made, CALIB, vehicle, FOLDER).words))


def test_defaults_are_not_spelled() -> None:
    """A build without options is made again by profile, model and folder."""
    name = manifest().model
    assert words_of() == (
        "specialize", "build", "--calib", "today.yaml", "--model", name, "-o", "build/car42"
    )  # fmt: skip


def test_every_field_of_the_key_is_an_option_or_follows_from_another() -> None:
    """An option that is added to the key must be added to the command."""
    fields = {part.name for part in dataclasses.fields(BuildKey)}
    spelled = [*PLAIN, *FLAGS, *FILES, *NAMED_ELSEWHERE]
    assert sorted(spelled) == sorted(fields)


def test_every_option_is_one_of_the_command_line() -> None:
    """Names of options are those of `specialize build`."""
    known = {option for part in build_command.params for option in part.opts}
    assert {*PLAIN.values(), *FLAGS.values(), *(option for option, _, _ in FILES.values())} <= known


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ({"align": 8}, ("--align", "8")),
        ({"target": "openvino", "precision": "fp16"}, ("--target", "openvino", "--precision", "fp16")),
        ({"mode": "tables", "capacity": "900"}, ("--mode", "tables", "--capacity", "900")),
        ({"mode": "envelope", "count_outside": True}, ("--mode", "envelope", "--count-outside")),
        ({"keep_every_site": True}, ("--keep-every-site",)),
        ({"mode": "envelope", "envelope_over": ["sha256:0"]}, ("--mode", "envelope", "--envelope-over", "PROFILES")),
    ],
)  # fmt: skip
def test_options_are_spelled(key: dict[str, object], wanted: tuple[str, ...]) -> None:
    """What differs from the default stands between model and folder."""
    assert words_of(**key)[6:-2] == wanted


def test_what_was_accepted_is_accepted_again() -> None:
    """Each `--allow` of the build."""
    assert words_of(allowed=("blind", "lens"))[6:-2] == ("--allow", "blind", "--allow", "lens")


def test_another_vehicle_goes_beside() -> None:
    """The build of one car is not the place for another's."""
    assert words_of(vehicle="car43")[-1] == "build/car43"


def test_the_words_are_a_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command line reads the words back into the options that were in the key."""
    got: list[BuildRequest] = []
    monkeypatch.setattr("specialize.compiler.build.build", lambda request, say: got.append(request) or 1 / 0)
    calib = tmp_path / "car.yaml"
    calib.write_text("")
    key = {
        "target": "openvino", "layout": "padded", "align": 4, "precision": "fp16", "frames": 3, "seed": 7,
        "mode": "tables", "capacity": "900", "keep_every_site": True, "allow_unchanged": True,
    }  # fmt: skip
    words = [word.replace("today.yaml", str(calib)) for word in words_of(**key)[2:]]
    CliRunner().invoke(build_command, words)
    (request,) = got
    assert {name: getattr(request, name) for name in key} == key


def test_files_are_said_by_what_they_are() -> None:
    """An own model and a checkpoint are words in capitals, explained."""
    source = {"kind": "onnx", "name": "mine", "key": "k"}
    made = msgspec.structs.replace(manifest(), key=PLAIN_KEY, source=source)
    again = rebuild(made, CALIB, made.vehicle, FOLDER)
    assert again.words[5] == "MODEL.onnx"
    assert again.to_name == (("MODEL.onnx", "mine.onnx, with its sidecar next to it"),)
    trained = {"kind": "zoo", "checkpoint": "sha256:0"}
    again = rebuild(msgspec.structs.replace(made, source=trained), CALIB, made.vehicle, FOLDER)
    assert again.words[6:8] == ("--checkpoint", "CHECKPOINT")
