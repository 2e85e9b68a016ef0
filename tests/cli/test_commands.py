"""The commands that need no model, on real profiles: what they print, write and return."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from specialize.artifact import build as artifact_build
from specialize.calibration.load import load_profile
from specialize.digest import digest_bytes
from specialize.errors import UsageError
from specialize.explain import drift
from specialize.lowering.attention import FORMS
from specialize.store import Entry, open_store
from specialize.targets import TARGETS, target
from tests.cli.builds import make_build
from tests.cli.running import CAR42, CAR43, modules_of, run_here
from tests.golden_files import check_golden

KEY = digest_bytes(b"key")


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[tuple[object, ...]]:
    """Let a function note its arguments at each call; return the notes."""
    calls: list[tuple[object, ...]] = []
    function = getattr(module, name)

    def noting(*arguments: object) -> object:
        calls.append(arguments)
        return function(*arguments)

    monkeypatch.setattr(module, name, noting)
    return calls


def test_a_fresh_build_is_fresh(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A build checked against its own calibration exits 0, whatever the file is called and commented."""
    build = make_build(tmp_path / "car42", CAR42)
    renamed = tmp_path / "today.yaml"
    renamed.write_text("# measured today\n" + CAR42.read_text().replace("vehicle: car42", "vehicle: other"))
    for calib in (CAR42, renamed, build / "profile.yaml"):
        ran = run_here(capsys, "check", build, "--calib", calib)
        assert ran.code == 0
        assert ran.out.startswith("fresh: ")


def test_a_stale_build_is_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A build checked against another calibration exits 3 and says per camera what moved."""
    build = make_build(tmp_path / "car42", CAR42)
    ran = run_here(capsys, "check", build, "--calib", CAR43)
    assert ran.code == 3
    check_golden("check_stale.txt", ran.out.replace(str(tmp_path), "TMP").replace(str(CAR43.parent), "CALIB"))


def test_check_json_has_the_figures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The JSON of a check has digests, verdict, and each camera's movement and queries."""
    build = make_build(tmp_path / "car42", CAR42)
    ran = run_here(capsys, "check", build, "--calib", CAR43, "--json")
    data = json.loads(ran.out)
    assert ran.code == 3
    assert data["fresh"] is False
    assert data["verdict"] == "other queries"
    assert f"next: {data['next']}\n" in run_here(capsys, "check", build, "--calib", CAR43).out
    assert data["digests"] == {"built": load_profile(CAR42).digest, "today": load_profile(CAR43).digest}
    assert [camera["name"] for camera in data["cameras"]] == list(load_profile(CAR42).camera_names())
    figures = {"rotation_mrad", "translation_mm", "focal_percent", "shift_px_10m", "shift_px_20m", "queries"}
    assert all(figures <= set(camera) for camera in data["cameras"])
    assert sum(camera["queries"]["lost"] for camera in data["cameras"]) > 0


def test_a_report_needs_no_compiler(tmp_path: Path) -> None:
    """The report of a build is drawn from its folder: nothing that reads graphs or solves is loaded."""
    modules = modules_of("report", make_build(tmp_path / "car42", CAR42))
    packages = {name.partition(".")[0] for name in modules}
    assert "jinja2" in packages
    assert packages & {"torch", "onnx", "onnx_ir", "onnxruntime", "sympy", "networkx"} == set()


def test_check_imports_no_runtime(tmp_path: Path) -> None:
    """A check of a fresh build loads numpy and yaml; no runtime, no graph library, nothing that solves or trains."""
    modules = modules_of("check", make_build(tmp_path / "car42", CAR42), "--calib", CAR42)
    packages = {name.partition(".")[0] for name in modules}
    assert {"numpy", "yaml"} <= packages
    heavy = {"torch", "onnx", "onnx_ir", "onnxruntime", "openvino", "scipy", "networkx", "pyarrow", "jinja2"}
    assert packages & heavy == set()
    compiling = {
        "passes",
        "rows",
        "graph",
        "report.html",
        "fleet",
        "precision",
        "compiler.build",
        "compiler.generic",
        "compiler.specialize",
        "verify",
        "bench",
    }
    assert {f"specialize.{name}" for name in compiling} & modules == set()


def test_check_computes_each_visible_set_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check plans two vehicles' visible sets, the build's and today's, and reads each profile once."""
    build = make_build(tmp_path / "car42", CAR42)
    calls = [
        counted(monkeypatch, module, name)
        for module, name in (
            (drift, "visible_sets"),
            (drift, "load_profile"),
            (artifact_build, "load_profile"),
        )
    ]
    assert run_here(capsys, "check", build, "--calib", CAR42).code == 0
    assert [len(of) for of in calls] == [2, 1, 1]


def test_a_lost_camera_is_other_cameras(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A calibration with another set of cameras is stale, and the missing camera is named."""
    build = make_build(tmp_path / "car42", CAR42)
    text = CAR42.read_text().replace("name: CAM_BACK\n", "name: CAM_REAR\n")
    (tmp_path / "today.yaml").write_text(text)
    ran = run_here(capsys, "check", build, "--calib", tmp_path / "today.yaml")
    assert ran.code == 3
    assert "the cameras are not the same" in ran.out
    assert "added: CAM_REAR" in ran.out
    assert "removed: CAM_BACK" in ran.out


@pytest.mark.parametrize("name", ["model.onnx", "profile.yaml"])
def test_check_refuses_a_changed_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """A build is not called fresh if its model or its copy of the profile is not what was written."""
    build = make_build(tmp_path / "car42", CAR42)
    content = bytearray((build / name).read_bytes())
    content[-2] ^= 1
    (build / name).write_bytes(content)
    ran = run_here(capsys, "check", build, "--calib", CAR42)
    assert ran.code == 1
    assert f"car42/{name}: expected sha256" in ran.err


def test_a_damaged_build_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A build whose manifest is cut off exits 1 and names the file."""
    build = make_build(tmp_path / "car42", CAR42)
    (build / "manifest.json").write_text('{"schema"')
    ran = run_here(capsys, "check", build, "--calib", CAR42)
    assert (ran.code, ran.out) == (1, "")
    assert "manifest.json: expected JSON" in ran.err


def test_no_build_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A folder that is no build exits 1 with a remedy."""
    ran = run_here(capsys, "check", tmp_path, "--calib", CAR42)
    assert ran.code == 1
    assert "hint:" in ran.err


def test_diff_of_a_profile_with_itself_is_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A copy with another name and other comments is the same calibration."""
    shutil.copy(CAR42, tmp_path / "copy.yaml")
    ran = run_here(capsys, "diff", CAR42, tmp_path / "copy.yaml")
    assert ran.code == 0
    assert ran.out.startswith("same: ")


def test_diff_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    """Two calibrations that differ exit 3, in text and in JSON."""
    ran = run_here(capsys, "diff", CAR42, CAR43)
    assert ran.code == 3
    check_golden("diff.txt", ran.out)
    data = run_here(capsys, "diff", CAR42, CAR43, "--json")
    assert data.code == 3
    assert json.loads(data.out)["same"] is False


def test_the_last_digit_is_other_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A change too small to change any query is still a difference."""
    data = CAR42.read_text()
    first = data.index("intrinsic")
    digit = next(i for i in range(first, len(data)) if data[i] == "." and data[i + 1].isdigit()) + 1
    (tmp_path / "b.yaml").write_text(data[: digit + 1] + "00001" + data[digit + 1 :])
    ran = run_here(capsys, "diff", CAR42, tmp_path / "b.yaml")
    assert ran.code == 3
    assert "the same queries of bevformer_tiny are seen, at other pixels" in ran.out


def test_plan_writes_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The tables hold what the text and the JSON say."""
    ran = run_here(capsys, "plan", "--calib", CAR42, "-o", tmp_path / "new" / "plan.npz", "--json")
    data = json.loads(ran.out)
    tables = np.load(tmp_path / "new" / "plan.npz")
    (site,) = data["sites"]
    assert ran.code == 0
    assert tables["lengths"].tolist() == [camera["visible"] for camera in site["cameras"]]
    assert tables["seen"].sum() == site["pairs"] == site["rows_computed"]
    assert sum(data["seen_by"][0]) == site["queries"]
    assert str(tables["digest"]) == data["digests"]["plan"]
    assert site["longest"] <= 0.3 * site["queries"]


def test_plan_rounds_lengths_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--align` rounds up what is computed, not what is seen; nonsense is usage."""
    arguments = ("plan", "--calib", CAR42, "-o", tmp_path / "plan.npz", "--json")
    (site,) = json.loads(run_here(capsys, *arguments, "--align", "32").out)["sites"]
    assert site["rows_computed"] > site["pairs"]
    assert site["rows_computed"] % 32 == 0
    assert run_here(capsys, *arguments, "--align", "0").code == 2


def test_plan_text_is_as_agreed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What `plan` shows is what was agreed on."""
    ran = run_here(capsys, "plan", "--calib", CAR42, "-o", tmp_path / "plan.npz")
    check_golden("plan.txt", ran.out.replace(str(tmp_path), "TMP"))


def test_profile_check_judges_every_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A bad file among good ones exits 1, and the good ones are still listed."""
    (tmp_path / "bad.yaml").write_text("schema: specialize/profile@1\nvehicle: x\ncameraz: []\n")
    ran = run_here(capsys, "profile", "check", CAR42, tmp_path / "bad.yaml")
    assert ran.code == 1
    assert "1 of 2 profiles can be used" in ran.out
    assert "cameraz" in ran.out
    assert run_here(capsys, "profile", "check", CAR42, CAR43).code == 0
    data = json.loads(run_here(capsys, "profile", "check", CAR42, tmp_path / "bad.yaml", "--json").out)
    assert [file["ok"] for file in data["files"]] == [True, False]


def test_profile_show_is_as_agreed(capsys: pytest.CaptureFixture[str]) -> None:
    """The table of cameras says where each one looks."""
    check_golden(
        "profile_show.txt", run_here(capsys, "profile", "show", CAR42).out.replace(str(CAR42), "car42.yaml")
    )


def test_profile_show_has_headings(capsys: pytest.CaptureFixture[str]) -> None:
    """Headings and places are in the lidar frame: the front camera looks along y, which is forward here."""
    cameras = json.loads(run_here(capsys, "profile", "show", CAR42, "--json").out)["cameras"]
    by_name = {camera["name"]: camera for camera in cameras}
    assert abs(by_name["CAM_FRONT"]["heading_deg"] - 90) < 3
    assert abs(by_name["CAM_BACK"]["heading_deg"] + 90) < 3
    assert by_name["CAM_FRONT"]["centre_m"][1] > 0 > by_name["CAM_BACK"]["centre_m"][1]


def test_inspect_shows_a_build(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A build is shown with its sites, costs, passes and files; its JSON holds the whole manifest."""
    build = make_build(tmp_path / "car42", CAR42)
    ran = run_here(capsys, "inspect", build)
    assert ran.code == 0
    check_golden("inspect_build.txt", ran.out)
    data = json.loads(run_here(capsys, "inspect", build, "--json").out)
    assert data["kind"] == "build"
    assert data["manifest"] == json.loads((build / "manifest.json").read_text())


def test_profile_show_writes_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--report` writes a page, with the queries of `--model`, and `--svg` the top view; both are named on stderr."""
    page, picture = tmp_path / "car.html", tmp_path / "car.svg"
    plain = run_here(capsys, "profile", "show", CAR42)
    ran = run_here(
        capsys, "profile", "show", CAR42, "--report", page, "--svg", picture, "--model", "bevformer_tiny"
    )
    assert ran.code == 0 and ran.out == plain.out
    assert ran.err.split() == ["written:", str(picture), "written:", str(page)]
    assert "points of the queries of bevformer_tiny" in page.read_text(encoding="utf-8")
    drawn = ElementTree.parse(picture).getroot()
    assert drawn.tag.endswith("svg") and len(drawn.findall("{*}path[@class='field']")) == 6


def test_pictures_need_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Options of the page without the page are an error in the command."""
    for option in (("--model", "bevformer_tiny"), ("--images", CAR42.parent)):
        ran = run_here(capsys, "profile", "show", CAR42, *option)
        assert ran.code == 2 and "add --report FILE" in ran.err


def test_inspect_shows_a_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """A profile is shown as `profile show` shows it."""
    shown = run_here(capsys, "inspect", CAR42)
    assert shown.out == run_here(capsys, "profile", "show", CAR42).out


def test_the_store_is_listed_and_shown(capsys: pytest.CaptureFixture[str], store_dir: Path) -> None:
    """An entry is listed, and found by the first digits of its key."""
    store = open_store()
    parts = {"model.onnx": store.put_bytes(b"graph"), "model.weights": store.put_bytes(b"weights" * 1000)}
    store.write_entry(
        Entry(kind="export", key=KEY, title="bevformer_tiny, seed 0", objects=parts, info={"seed": 0})
    )
    listed = run_here(capsys, "store", "ls")
    assert "bevformer_tiny, seed 0" in listed.out
    assert "2 objects, 6.8 KiB" in listed.out
    shown = run_here(capsys, "store", "show", KEY.removeprefix("sha256:")[:12])
    assert shown.code == 0
    assert "model.weights" in shown.out
    assert run_here(capsys, "store", "show", "0000").code == 1


@pytest.mark.parametrize("option", ["--repair", "--remove"])
def test_the_store_finds_and_takes_out_damage(
    capsys: pytest.CaptureFixture[str], store_dir: Path, option: str
) -> None:
    """A flipped bit makes `store check` exit 1, and is taken out with an option."""
    store = open_store()
    path = store.path(store.put_bytes(b"weights"))
    assert run_here(capsys, "store", "check").code == 0
    path.chmod(0o644)
    path.write_bytes(b"weighty")
    assert run_here(capsys, "store", "check").code == 1
    assert run_here(capsys, "store", "check", option).code == 0
    assert run_here(capsys, "store", "check").code == 0


def test_the_store_forgets_what_nothing_names(capsys: pytest.CaptureFixture[str], store_dir: Path) -> None:
    """`gc` says what would go, then removes it."""
    digest = open_store().put_bytes(b"idle")
    assert "would remove 1 object (4 B)" in run_here(capsys, "store", "gc", "--dry-run", "--grace", "-1").out
    assert open_store().has(digest)
    assert json.loads(run_here(capsys, "store", "gc", "--grace", "-1", "--json").out)["objects"] == [digest]
    assert not open_store().has(digest)


def test_a_store_that_cannot_be_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A store below a file exits 1 with a remedy."""
    ran = run_here(capsys, "store", "ls")
    assert ran.code == 1
    assert "hint:" in ran.err


def test_profile_check_finds_blunders(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An intrinsic for another resolution names the camera and the remedy, in every form of output."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(CAR42.read_text().replace("size_px: [1600, 900]", "size_px: [800, 450]", 1))
    ran = run_here(capsys, "profile", "check", bad)
    assert ran.code == 1
    assert "CAM_FRONT" in ran.out
    assert "fix:" in ran.out
    data = json.loads(run_here(capsys, "profile", "check", bad, "--json").out)
    assert {finding["camera"] for finding in data["files"][0]["findings"]} <= {"CAM_FRONT", ""}
    (tmp_path / "broken.yaml").write_text("{")
    paths = (bad, CAR42, tmp_path / "broken.yaml")
    sarif = json.loads(run_here(capsys, "profile", "check", *paths, "--sarif").out)
    (run,) = sarif["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {str(paths[0]), str(paths[2])}


def test_profile_check_knows_a_models_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Cameras in another order than the model's are reported if a model is named."""
    lines = run_here(capsys, "profile", "check", CAR42, "--model", "bevformer_tiny", "--json")
    assert json.loads(lines.out)["files"][0]["findings"] == []
    swapped = (
        CAR42.read_text()
        .replace("name: CAM_FRONT_LEFT", "name: X")
        .replace("name: CAM_FRONT_RIGHT", "name: CAM_FRONT_LEFT")
    )
    (tmp_path / "b.yaml").write_text(swapped.replace("name: X", "name: CAM_FRONT_RIGHT"))
    ran = run_here(capsys, "profile", "check", tmp_path / "b.yaml", "--model", "bevformer_tiny", "--json")
    assert json.loads(ran.out)["files"][0]["findings"] != []


def test_report_writes_one_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A report is one HTML file, in the build or where one wants it; something that is no build has none."""
    build = make_build(tmp_path / "car42", CAR42)
    assert run_here(capsys, "report", build).code == 0
    assert "car42" in (build / "report.html").read_text()
    ran = run_here(capsys, "report", build, "-o", tmp_path / "r.html", "--json")
    assert json.loads(ran.out)["report"] == str(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_bytes() == (build / "report.html").read_bytes()
    assert run_here(capsys, "report", tmp_path).code == 1


def test_profile_import_writes_a_profile(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An imported calibration is written as a profile with the same matrices, and looked over."""
    profile = load_profile(CAR42)
    source = tmp_path / "demo.json"
    source.write_text(json.dumps({"lidar2img": profile.image_from_lidar().tolist()}))
    names = ",".join(profile.camera_names())
    given = ("-O", "size=1600x900", "-O", f"cameras={names}", "-O", "vehicle=demo")
    ran = run_here(
        capsys, "profile", "import", "lidar2img", source, *given, "-o", tmp_path / "p.yaml", "--json"
    )
    data = json.loads(ran.out)
    assert ran.code == 0
    assert (data["ok"], data["vehicle"], data["cameras"]) == (True, "demo", 6)
    np.testing.assert_array_equal(
        load_profile(tmp_path / "p.yaml").image_from_lidar(), profile.image_from_lidar()
    )
    text = run_here(capsys, "profile", "import", "lidar2img", source, *given, "-o", tmp_path / "q.yaml")
    assert "1 of 1 profiles can be used" in text.out


def test_an_unknown_target_is_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Before a model is exported for it: the target is usage."""
    ran = run_here(capsys, "build", "--calib", CAR42, "--target", "openvno")
    assert ran.code == 2
    assert "did you mean 'openvino'?" in ran.err
    assert "export" not in ran.err


def test_profile_import_explains_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An option that is unknown or has no value is usage, and nothing is written."""
    (tmp_path / "a.json").write_text("[]")
    line = ("profile", "import", "lidar2img", tmp_path / "a.json", "-o", tmp_path / "p.yaml")
    unknown = run_here(capsys, *line, "-O", "sizes=1x1")
    assert unknown.code == 2
    assert "did you mean 'size'?" in unknown.err
    assert run_here(capsys, *line, "-O", "size").code == 2
    assert run_here(capsys, "profile", "import", "lidar2imgs", tmp_path / "a.json", "-o", "p").code == 2
    assert not (tmp_path / "p.yaml").exists()


def test_formats_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    """Every format is listed in a line, and one of them with frames and options."""
    listed = run_here(capsys, "profile", "formats")
    known = json.loads(run_here(capsys, "profile", "formats", "--json").out)["formats"]
    assert all(name in listed.out for name in known)
    one = run_here(capsys, "profile", "formats", "nuscenes")
    assert "compensated" in one.out
    assert "ego" in one.out


def test_targets_are_listed_with_their_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    """The list says of each toolchain what ran here, in which version and with what result, or who wrote of it."""
    text = " ".join(run_here(capsys, "targets").out.split())
    assert "ran here: openvino 2026" in text and "from documents: CANN 5.0.4" in text


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_lists_every_form_that_can_be_asked_for(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `targets NAME` says of attention are the forms that `--attention` takes for it, and no others."""
    line = next(line for line in run_here(capsys, "targets", name).out.splitlines() if "attention: " in line)
    listed = set(re.findall(r"[\w-]+", line.partition("attention: ")[2])) & {*FORMS}
    toolchain = target(name).TOOLCHAIN
    for form in FORMS:
        if form in listed:
            toolchain.require_form(form)
        else:
            with pytest.raises(UsageError):
                toolchain.require_form(form)
