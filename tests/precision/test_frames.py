"""Frames of a folder: what is accepted, what is rejected, and with which error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from specialize.errors import InputError
from specialize.precision.frames import frames_digest, open_frames
from specialize.verify import TensorInfo

INPUTS = {"image": TensorInfo((2, 3), "float32"), "index": TensorInfo((1,), "int32")}
GOOD = {"image": np.ones((2, 3), np.float32), "index": np.array([7], np.int32)}
Arrays = dict[str, np.ndarray]


def save(folder: Path, *frames: Arrays) -> Path:
    """Write frames into a folder."""
    folder.mkdir(exist_ok=True)
    for number, arrays in enumerate(frames):
        np.savez(folder / f"{number:03}.npz", **arrays)
    return folder


def read(folder: Path) -> list[Arrays]:
    """Read every frame of a folder."""
    opened = open_frames(folder, INPUTS, {"lidar2img"})
    return [opened[frame] for frame in range(len(opened))]


def test_frames_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    """The second file is the second frame, and what is no frame is not read."""
    save(tmp_path, GOOD, GOOD | {"index": np.array([8], np.int32)})
    (tmp_path / "readme.txt").write_text("not a frame")
    assert [int(frame["index"][0]) for frame in read(tmp_path)] == [7, 8]


def test_another_width_of_the_same_kind_is_taken(tmp_path: Path) -> None:
    """float64 and float16 become float32, int64 becomes int32."""
    wide = {"image": GOOD["image"].astype(np.float64), "index": GOOD["index"].astype(np.int64)}
    narrow = {"image": GOOD["image"].astype(np.float16), "index": GOOD["index"].astype(np.uint8)}
    for frame in read(save(tmp_path, wide, narrow)):
        assert {name: array.dtype.name for name, array in frame.items()} == {
            "image": "float32",
            "index": "int32",
        }
        assert np.array_equal(frame["image"], GOOD["image"])


def test_calibration_in_a_frame_is_not_read(tmp_path: Path) -> None:
    """A dump of all inputs may hold the calibration; the build has its own."""
    assert set(read(save(tmp_path, GOOD | {"lidar2img": np.eye(4)}))[0]) == set(INPUTS)


REFUSED: dict[str, tuple[Arrays, str]] = {
    "missing": ({"image": GOOD["image"]}, "an array for input 'index', got only image"),
    "unknown": (GOOD | {"imgae": GOOD["image"]}, "imgae: expected an input of the model: image, index"),
    "shape": (GOOD | {"image": np.ones((3, 2), np.float32)}, r"image: expected shape \[2, 3\], got \[3, 2\]"),
    "bytes": (GOOD | {"image": np.ones((2, 3), np.uint8)}, "image: expected float32, got uint8"),
    "floats": (GOOD | {"index": np.array([7.0])}, "index: expected int32, got float64"),
    "nan": (
        GOOD | {"image": np.full((2, 3), np.nan, np.float32)},
        "finite numbers, got 6 of 6 NaN or infinite",
    ),
    "infinite": (GOOD | {"image": np.full((2, 3), np.inf)}, "finite numbers, got 6 of 6 NaN or infinite"),
    "too large": (
        GOOD | {"image": np.full((2, 3), 1e300)},
        "values that fit into float32, got 1e.300 to 1e.300",
    ),
    "too wide": (GOOD | {"index": np.array([2**40])}, "index: expected values that fit into int32"),
    "objects": (GOOD | {"image": np.array([None] * 6)}, "a file of numpy.savez without objects"),
    "texts": (GOOD | {"image": np.array(["a"] * 6)}, "image: expected numbers, got str32"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_model_does_not_want_is_refused(tmp_path: Path, case: str) -> None:
    """The error names the file, the input, what is wanted and what is there, and what to do."""
    arrays, text = REFUSED[case]
    with pytest.raises(InputError, match=text) as caught:
        read(save(tmp_path, GOOD, arrays))
    assert "001.npz" in str(caught.value)
    assert "hint: " in str(caught.value)


def rename(path: Path) -> None:
    """Replace a frame by one array instead of an archive."""
    np.save(path.with_suffix(".npy"), GOOD["image"])
    path.with_suffix(".npy").replace(path)


def place_folder(path: Path) -> None:
    """Replace a frame by a folder."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\3\4" * 9),
        lambda path: path.write_text("a text"),
        rename,
        place_folder,
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    """An empty file, half an archive, a text, a single array and a folder are not frames; the error states a remedy."""
    spoil(save(tmp_path, GOOD) / "000.npz")
    with pytest.raises(
        InputError, match=r"(?s)000\.npz: expected a file of numpy\.savez.*hint: write"
    ) as caught:
        read(tmp_path)
    assert "pickle" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    """A copy that broke off."""
    path = save(tmp_path, GOOD) / "000.npz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"000\.npz: expected a file of numpy\.savez"):
        read(tmp_path)


def test_no_folder_and_no_frame_are_told_apart(tmp_path: Path) -> None:
    """Both are errors before anything is built."""
    with pytest.raises(InputError, match="at least one frame"):
        open_frames(tmp_path, INPUTS)
    with pytest.raises(InputError, match="no such folder"):
        frames_digest(tmp_path / "nowhere")


def test_the_digest_is_that_of_the_arrays(tmp_path: Path) -> None:
    """Compression changes nothing; a value, the order of frames, or one more frame does."""
    other = GOOD | {"index": np.array([8], np.int32)}
    plain = frames_digest(save(tmp_path / "plain", GOOD, other))
    (tmp_path / "packed").mkdir()
    for number, arrays in enumerate((GOOD, other)):
        np.savez_compressed(tmp_path / "packed" / f"{number}.npz", **arrays)
    assert frames_digest(tmp_path / "packed") == plain
    assert frames_digest(save(tmp_path / "turned", other, GOOD)) != plain
    assert frames_digest(save(tmp_path / "more", GOOD, other, GOOD)) != plain
