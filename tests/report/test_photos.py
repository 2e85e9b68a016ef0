"""Images of a folder are found by the cameras' names, checked, and put on the page at a reduced size."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError
from specialize.files.resources import resource_dir
from specialize.report import photos
from specialize.report.photos import photos_of
from specialize.report.profile import profile_report
from tests.cli.running import CAR42, run_here
from tests.report.rigs import ring

pillow = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def profile() -> CalibrationProfile:
    """Return car42, whose images are 1600 x 900 px."""
    return load_profile(resource_dir("calib_profiles") / "car42.yaml")


def _write(path: Path, size: tuple[int, int] = (1600, 900)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = np.linspace(0, 255, size[0]).astype(np.uint8)
    pillow.fromarray(np.broadcast_to(shade[None, :, None], (size[1], size[0], 3)).copy()).save(path)
    return path


def _size(url: str) -> tuple[int, int]:
    kind, _, data = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    with pillow.open(io.BytesIO(base64.b64decode(data))) as opened:
        return (opened.width, opened.height)


def test_images_are_found_by_name_and_reduced(profile: CalibrationProfile, tmp_path: Path) -> None:
    """JPEG and PNG, beside each other or first in a camera's folder, of any size in the camera's proportions."""
    _write(tmp_path / "CAM_FRONT.jpg")
    _write(tmp_path / "CAM_BACK.PNG", (800, 450))
    _write(tmp_path / "CAM_BACK_LEFT" / "0002.jpg", (1600, 899))
    _write(tmp_path / "CAM_BACK_LEFT" / "0001.jpeg", (1600, 900))
    (tmp_path / "CAM_BACK_RIGHT").mkdir()
    found = photos_of(profile, tmp_path)
    assert set(found) == {"CAM_FRONT", "CAM_BACK", "CAM_BACK_LEFT"}
    assert {_size(url) for url in found.values()} == {(800, 450)}
    html = profile_report(profile, (), images=found)
    assert html.count("<image href=") == 3 and html.count("no image of this camera") == 3
    assert html.count('class="picture photo"') == 3 and html.count('class="picture seen"') == 3


def test_an_image_of_another_size_is_an_error(profile: CalibrationProfile, tmp_path: Path) -> None:
    """A cropped image would be drawn over wrongly: the error names both sizes and the file."""
    path = _write(tmp_path / "CAM_FRONT.png", (1600, 1200))
    with pytest.raises(InputError, match="1600 x 900") as caught:
        photos_of(profile, tmp_path)
    assert caught.value.where == str(path) and "1600 x 1200" in caught.value.found


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff\xe0 cut", b"<svg/>", b"\x89PNG\r\n\x1a\n" + bytes(40)]
)
def test_what_is_no_image_is_an_error(profile: CalibrationProfile, tmp_path: Path, content: bytes) -> None:
    """Empty, truncated and other files are named."""
    (tmp_path / "CAM_FRONT.jpg").write_bytes(content)
    with pytest.raises(InputError, match="an image"):
        photos_of(profile, tmp_path)


def test_a_truncated_image_is_an_error(profile: CalibrationProfile, tmp_path: Path) -> None:
    """One that ends in the middle is not drawn half."""
    path = _write(tmp_path / "CAM_FRONT.jpg")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="an image"):
        photos_of(profile, tmp_path)


def test_a_huge_image_is_not_opened(
    profile: CalibrationProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More pixels than any camera has are an error before they are decoded."""
    _write(tmp_path / "CAM_FRONT.png")
    monkeypatch.setattr(photos, "LARGEST_PX", 1000)
    with pytest.raises(InputError, match="at most 1,000 pixels"):
        photos_of(profile, tmp_path)


def test_a_folder_without_images_is_an_error(profile: CalibrationProfile, tmp_path: Path) -> None:
    """An empty folder, a file, and a folder that is missing are told apart from missing cameras."""
    with pytest.raises(InputError, match="an image of a camera") as caught:
        photos_of(profile, tmp_path)
    assert "CAM_FRONT.jpg" in caught.value.hint
    for path in (tmp_path / "none", _write(tmp_path / "file.png")):
        with pytest.raises(InputError, match="a folder of images"):
            photos_of(profile, path)


def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    """A camera called like a path has no image."""
    _write(tmp_path / "outside.png", (800, 600))
    inner = tmp_path / "inner"
    _write(inner / "B.png", (800, 600))
    assert set(photos_of(ring(2, ("../outside", "B")), inner)) == {"B"}


def test_without_pillow_the_line_that_installs_it_is_given(
    profile: CalibrationProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option needs an extra, and says which."""
    _write(tmp_path / "CAM_FRONT.jpg")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match="pillow") as caught:
        photos_of(profile, tmp_path)
    assert "specialize[images]" in caught.value.hint


def test_the_command_draws_over_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`profile show --report --images` writes a page with them."""
    _write(tmp_path / "CAM_FRONT.jpg")
    page = tmp_path / "page.html"
    ran = run_here(capsys, "profile", "show", CAR42, "--report", page, "--images", tmp_path)
    assert ran.code == 0 and str(page) in ran.err
    assert "data:image/jpeg" in page.read_text(encoding="utf-8")
