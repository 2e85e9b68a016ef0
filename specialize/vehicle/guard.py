"""Run the guard from Python on the car: through the C interface, with numpy and the standard library alone.

    guard = Guard("contract.bin", "libspecialize.so")
    answer = guard.check(cameras)        # or guard.check_file("today.bin")
    if answer.state > State.INSIDE: ...

Without a library the same is computed in numpy, which takes milliseconds instead of microseconds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from specialize.vehicle import native
from specialize.vehicle.binary import FileRefusedError
from specialize.vehicle.contract import parse_contract
from specialize.vehicle.today import CAMERA, Today, parse_today
from specialize.vehicle.twin import batch_of, judge
from specialize.vehicle.words import HAS_PINHOLE, HAS_PROJECTION, LENS_BYTES, Reason, State

NAN = float("nan")


class Answer(NamedTuple):
    """What the guard says.

    Attributes:
        state: What to do about the build.
        reason: Why the calibration is unusable.
        camera: The camera that is furthest off, or that is refused; empty for none.
        pairs: Pairs of camera and query outside the envelope, beyond capacity, or seen otherwise than built for.
        rotation_mrad: How far that camera turned.
        translation_mm: How far its centre moved.
        focal_percent: Larger change of its two focal lengths.
        centre_px: Movement of its principal point in the raw image.
    """

    state: State
    reason: Reason
    camera: str
    pairs: int
    rotation_mrad: float
    translation_mm: float
    focal_percent: float
    centre_px: float


class Guard:
    """Judges calibrations for one build.

    Args:
        contract: Path or content of the build's `contract.bin`.
        library: Path of the library made from `vehicle.cpp`; without it the numpy twin decides.

    Raises:
        FileRefusedError: The contract is none, or damaged.
        OSError: A file cannot be read.
    """

    def __init__(self, contract: str | Path | bytes, library: str | Path | None = None) -> None:
        self._data = contract if isinstance(contract, bytes) else Path(contract).read_bytes()
        self._contract = parse_contract(self._data)
        self._library = None if library is None else native.load(library)
        self._view = native.Contract()
        if self._library is not None:
            reason = self._library.specialize_open(self._data, len(self._data), ctypes.byref(self._view))
            if reason:
                raise FileRefusedError(Reason(reason))

    def check_file(self, today: str | Path | bytes) -> Answer:
        """Judge the content of a `today.bin`.

        Raises:
            FileRefusedError: It is none, or damaged.
        """
        return self._answer(parse_today(today if isinstance(today, bytes) else Path(today).read_bytes()))

    def check(
        self,
        cameras: Sequence[Mapping[str, Any]],
        ego_from_lidar: Any = None,
        time_s: float = NAN,
        valid_s: tuple[float, float] = (NAN, NAN),
        lenses: Any = None,
    ) -> Answer:
        """Judge today's calibration.

        Args:
            cameras: In order, each with `name`, `size_px` (width, height), and `intrinsic` (3, 3) with
                `camera_from_lidar` (4, 4), or `image_from_lidar` (4, 4), or all three.
            ego_from_lidar: (4, 4), where the model reads the lidar's pose on the vehicle.
            time_s: The time of the check, of the same clock as `valid_s`.
            valid_s: From when until when the calibration is valid.
            lenses: (N, 640) bytes of what is known of the cameras' lenses, as in `today.bin`; None if none has one.
        """
        records = np.zeros(len(cameras), CAMERA)
        for record, camera in zip(records, cameras, strict=True):
            record["name"], record["size_px"] = str(camera["name"]).encode(), camera["size_px"]
            for key, bit in (("intrinsic", HAS_PINHOLE), ("image_from_lidar", HAS_PROJECTION)):
                record["has"] |= bit if camera.get(key) is not None else 0
            for key in ("intrinsic", "camera_from_lidar", "image_from_lidar"):
                if camera.get(key) is not None:
                    record[key] = np.asarray(camera[key], np.float64).ravel()
        ego = None if ego_from_lidar is None else np.asarray(ego_from_lidar, np.float64).ravel()
        known = None if lenses is None else np.asarray(lenses, np.uint8).reshape(len(cameras), LENS_BYTES)
        return self._answer(
            Today(cameras=records, ego_from_lidar=ego, time_s=time_s, valid_s=valid_s, lenses=known)
        )

    def _answer(self, today: Today) -> Answer:
        if self._library is not None:
            fields = native.check(self._library, self._view, today)
        else:
            verdict = judge(self._contract, batch_of(today))
            fields = {name: getattr(verdict, name)[0] for name in verdict.__slots__}
        camera = int(fields["camera"])
        return Answer(
            state=State(int(fields["state"])),
            reason=Reason(int(fields["reason"])),
            camera=self._contract.cameras["name"][camera].decode(errors="replace") if camera >= 0 else "",
            pairs=int(fields["pairs"]),
            rotation_mrad=float(fields["rotation_mrad"]),
            translation_mm=float(fields["translation_mm"]),
            focal_percent=float(fields["focal_percent"]),
            centre_px=float(fields["centre_px"]),
        )
