"""The report of a build is one file that stands alone and says what the build says."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from specialize.artifact import record_files, write_manifest
from specialize.artifact.manifest import manifest_text, parse_manifest
from specialize.bench import BenchReport, BuildBench, FormTime
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.files.resources import resource_dir
from specialize.model.parts import ImagePrep
from specialize.model.spec import GridSpec, ModelSpec
from specialize.report.build import build_page
from specialize.report.html import to_html
from specialize.report.write import write_build_report
from specialize.verify import TOLERANCES, compare_arrays
from tests.artifact.examples import model_of
from tests.report import pages


@pytest.fixture(scope="module")
def html() -> str:
    """Return the report of a 50x50 model on car42."""
    plans = pages.plans()
    return to_html(build_page(pages.manifest(plans[0]), plans))


def test_it_stands_alone(html: str) -> None:
    """Nothing is loaded from anywhere: no link, source or import leads out of the file."""
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", html)
    assert "@import" not in html and "url(http" not in html and "fetch(" not in html
    assert "default-src 'none'" in html


def test_it_is_well_formed(html: str) -> None:
    """Every element that is opened is closed, in order."""
    open_tags: list[str] = []
    void = {"meta", "link", "line", "path", "circle", "rect", "wbr"}

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in void:
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in void:
                assert open_tags.pop() == tag

    Checker().feed(html)
    assert open_tags == []


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        ("exact", {}, "car42 profile 0123456789ab"),
        (
            "envelope",
            {"envelope": {"tolerance": {"rotation_deg": 0.3, "ego_speed_mps": 9.0, "focal_percent": 0.0}}},
            "car42 and every calibration within rotation 0.3 deg, ego speed 9 m/s of it; profile",
        ),
        (
            "envelope",
            {"envelope": {"tolerance": None}},
            "car42 and every calibration within its own tolerance of it; profile",
        ),
        ("envelope", {"envelope": {"over": ["a", "b"]}}, "car42 and 2 further calibrations; profile"),
        ("tables", {}, "car42 and every vehicle with tables that fit; made with profile"),
    ],
)
def test_it_says_which_calibrations_it_is_for(mode: str, options: dict[str, object], expected: str) -> None:
    """One calibration, those within an envelope, or all that fit the tables."""
    plans = pages.plans()
    made = msgspec.structs.replace(pages.manifest(plans[0]), mode=mode, options=options)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", to_html(build_page(made, plans))))
    assert f"Which calibration? {expected}" in text


def test_it_answers_the_four_questions(html: str) -> None:
    """Which camera costs most, how much was saved, is it proven, which calibration is it for."""
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "sees 600 of 2,500 queries (24 %)" in text and "CAM_BACK" in text
    assert "5.32x fewer pairs" in text
    assert "Yes: equal to the original" in text and "bev_embed" in text
    assert "car42" in text and "profile 0123456789ab" in text


def test_every_warning_note_and_digest_is_there(html: str) -> None:
    """Warnings, declined passes with their reason, and full digests are shown."""
    assert "runs with random weights" in html
    assert "the mask is not constant" in html and "declined" in html
    assert html.count("sha256:") == 4


def test_the_same_build_gives_the_same_bytes(html: str) -> None:
    """Nothing in the file depends on time, host or path."""
    plans = pages.plans()
    assert to_html(build_page(pages.manifest(plans[0]), plans)) == html


def test_a_manifest_that_was_written_and_read_gives_the_same_page(html: str) -> None:
    """The order of the forms does not depend on the order of keys in a file."""
    plans = pages.plans()
    manifest = pages.manifest(plans[0])
    read = parse_manifest(manifest_text(manifest), "manifest.json")
    assert to_html(build_page(read, plans)) == html


def test_a_large_grid_stays_small() -> None:
    """A 200x200 grid gives a report of less than one megabyte."""
    plans = pages.plans(200)
    assert len(to_html(build_page(pages.manifest(plans[0]), plans)).encode()) < 1_000_000


def test_names_are_text_and_not_markup() -> None:
    """A vehicle named like a script is shown as its name."""
    plans = pages.plans()
    page = build_page(pages.manifest(plans[0], vehicle="<script>alert(1)</script>"), plans)
    html = to_html(page)
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)" in html


def test_a_failed_comparison_is_said_first() -> None:
    """A build that is not equal says so at the top, with words and not by colour alone."""
    plans = pages.plans()
    page = build_page(pages.manifest(plans[0], wrong=True), plans)
    html = to_html(page)
    assert page.facts[0].answer == "No" and page.facts[0].state == "bad"
    assert "DIFFERENT" in html and "Failed: " in html and "[1234, 0, 7], frame 0" in html


def test_volumes_and_models_without_grids_have_reports() -> None:
    """A volume is drawn from above; a model without a grid still has costs and proof."""
    plans = pages.plans(shape=(4, 20, 30))
    html = to_html(build_page(pages.manifest(plans[0]), plans))
    assert "4 × 20 × 30 queries" in html and 'viewBox="0 0 30 20"' in html
    html = to_html(build_page(pages.manifest(plans[0]), ()))
    assert "The model has no grid of queries." in html


def test_measured_times_are_shown_if_there_are_any() -> None:
    """Times, ratios and operator shares appear when the build was benchmarked."""
    plans = pages.plans()
    forms = {
        "original": FormTime((0.5, 0.6, 0.55), 400_000_000, 100_000_000, {"GridSample": 1.0}),
        "specialized": FormTime((0.1, 0.1, 0.11), 200_000_000, 100_000_000, {"GridSample": 0.6, "Conv": 0.4}),
    }
    rows = {"original": 15000, "specialized": 2822}
    parts = {"rows": BenchReport.of("onnxruntime 1", 2, 2, True, forms)}
    bench = BuildBench.of("m", "car42", 0, rows, parts)
    html = to_html(build_page(pages.manifest(plans[0]), plans, bench))
    assert "550.0 (525.0-575.0)" in html and "5.00x" in html and "286.1 MiB" in html
    assert "GridSample 60 %, Conv 40 %" in html
    assert "onnxruntime 1, 2 threads, 3 rounds, forms in turn" in html


def test_the_interactive_map_has_the_masks(html: str) -> None:
    """The data of the map are the visible sets, cell by cell."""
    (plan,) = pages.plans()
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])  # type: ignore[index]
    packed = np.frombuffer(base64.b64decode(data["masks"]), np.uint8).reshape(6, -1)
    assert np.array_equal(np.unpackbits(packed, axis=1)[:, :2500].astype(bool), plan.seen)
    assert data["cameras"][3] == "CAM_BACK" and (data["x"], data["columns"]) == ([-51.2, 51.2], 50)


def test_a_report_is_written_from_the_builds_directory_alone(tmp_path: Path) -> None:
    """The manifest and the copy of the profile are enough; neither model nor weights are read."""
    (plan,) = pages.plans()
    spec = ModelSpec(
        image=ImagePrep(size_px=(800, 480), scale=0.5),
        calibration_inputs={},
        grids=(GridSpec(shape=(50, 50), range_m=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), anchors=4),),
    )
    profile = load_profile(resource_dir("calib_profiles") / "car42.yaml")
    digests = msgspec.structs.replace(pages.manifest(plan).digests, profile=profile.digest)
    made = msgspec.structs.replace(
        pages.manifest(plan), spec=spec.to_text(), vehicle="car42", digests=digests
    )
    (tmp_path / "profile.yaml").write_text(dump_profile(profile))
    (tmp_path / "model.onnx").write_bytes(model_of(made))
    write_manifest(tmp_path, record_files(tmp_path, made))
    path = write_build_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert "sees 600 of" in path.read_text(encoding="utf-8")


def test_no_difference_at_all_is_said() -> None:
    """Outputs that are the same to the last bit are reported as exactly the same, not as a small difference."""
    (plan,) = pages.plans()
    wanted = np.ones((4, 4), np.float32)
    same = msgspec.structs.replace(
        pages.verify_report(), outputs={"bev": compare_arrays(wanted, wanted, TOLERANCES["float32"])}
    )
    manifest = msgspec.structs.replace(pages.manifest(plan), verify=same)
    assert "Every number is exactly the same." in to_html(build_page(manifest, (plan,)))
