"""The rigs with lenses of `calib_profiles/`: how they are described, and the files that they become."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WideEye:
    """One camera: size in px, lens, and where it sits: metres and degrees, yaw left, pitch down."""

    name: str
    size_px: tuple[int, int]
    model: str
    parameters: dict[str, float]
    position_m: tuple[float, float, float]
    yaw: float
    pitch: float
    max_angle_rad: float | None = None

    def text(self) -> str:
        """Return its entry in a profile."""
        numbers = ", ".join(f"{name}: {value!r}" for name, value in self.parameters.items())
        lines = [
            f"  - name: {self.name}",
            f"    size_px: [{self.size_px[0]}, {self.size_px[1]}]",
            "    lens:",
            f"      model: {self.model}",
            f"      parameters: {{{numbers}}}",
        ]
        lines += [] if self.max_angle_rad is None else [f"      max_angle_rad: {self.max_angle_rad!r}"]
        lines += [
            "    sensor2ego:",
            f"      yaw_deg: {self.yaw!r}",
            f"      pitch_deg: {self.pitch!r}",
            "      rotation_order: yaw-pitch-roll",
            "      axes: forward-left-up",
            f"      translation_m: [{', '.join(repr(each) for each in self.position_m)}]",
        ]
        return "".join(f"{line}\n" for line in lines)


def _profile(vehicle: str, head: str, lidar: str, eyes: list[WideEye]) -> str:
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    top = f"schema: specialize/profile@1\nvehicle: {vehicle}\nlidar2ego:\n{lidar}cameras:\n"
    return comment + top + "".join(eye.text() for eye in eyes)


ROOF = """  rotation_wxyz: [0.705984504, 0.003885657, -0.001178532, -0.708215640]
  translation_m: [0.912, 0.004, 1.828]
"""
KITTI_ROOF = """  rotation_wxyz: [0.7071067811865476, 0.0, 0.0, -0.7071067811865476]
  translation_m: [0.77, 0.0, 1.73]
"""
PARKING = (1280, 960)


def _mei(fx: float, fy: float, cx: float, cy: float, xi: float, *bend: float) -> dict[str, float]:
    return dict(
        zip(("fx", "fy", "cx", "cy", "xi", "k1", "k2", "p1", "p2"), (fx, fy, cx, cy, xi, *bend), strict=True)
    )


def _ftheta(cx: float, cy: float, *powers: float) -> dict[str, float]:
    named = {f"a{power}": value for power, value in enumerate(powers, 1)}
    return {"cx": cx, "cy": cy, **named, "c": 1.0002, "d": 0.0001, "e": -0.0002}


FISHEYE4 = [
    WideEye(
        "FISHEYE_FRONT",
        PARKING,
        "mei",
        _mei(722.4, 721.8, 643.1, 478.2, 1.043, -0.0421, 0.0113, 0.0004, -0.0003),
        (3.71, 0.012, 0.66),
        0.4,
        18.2,
        1.68,
    ),
    WideEye(
        "FISHEYE_LEFT",
        PARKING,
        "mei",
        _mei(719.6, 720.3, 637.4, 483.0, 1.051, -0.0398, 0.0102, -0.0002, 0.0005),
        (1.98, 1.02, 0.98),
        91.3,
        31.5,
        1.68,
    ),
    WideEye(
        "FISHEYE_REAR",
        PARKING,
        "mei",
        _mei(724.9, 724.1, 641.9, 475.6, 1.038, -0.0433, 0.0121, 0.0003, 0.0001),
        (-0.93, -0.021, 0.91),
        179.2,
        24.8,
        1.68,
    ),
    WideEye(
        "FISHEYE_RIGHT",
        PARKING,
        "mei",
        _mei(720.8, 719.9, 645.2, 481.4, 1.047, -0.0409, 0.0107, -0.0005, -0.0002),
        (1.97, -1.03, 0.97),
        -89.6,
        30.9,
        1.68,
    ),
]
FTHETA4 = [
    WideEye(
        "FISHEYE_FRONT",
        PARKING,
        "ftheta",
        _ftheta(641.7, 481.3, 352.6, 1.82, -9.41, 0.63, -0.21),
        (3.70, 0.008, 0.65),
        -0.3,
        17.6,
        1.68,
    ),
    WideEye(
        "FISHEYE_LEFT",
        PARKING,
        "ftheta",
        _ftheta(638.8, 476.9, 351.2, 1.55, -9.18, 0.59, -0.19),
        (1.99, 1.01, 0.99),
        90.8,
        32.1,
        1.68,
    ),
    WideEye(
        "FISHEYE_REAR",
        PARKING,
        "ftheta",
        _ftheta(640.4, 479.7, 353.8, 1.91, -9.63, 0.71, -0.24),
        (-0.92, 0.017, 0.90),
        180.6,
        25.3,
        1.68,
    ),
    WideEye(
        "FISHEYE_RIGHT",
        PARKING,
        "ftheta",
        _ftheta(643.6, 478.8, 350.9, 1.47, -9.02, 0.54, -0.17),
        (1.98, -1.02, 0.98),
        -90.9,
        31.4,
        1.68,
    ),
]
AHEAD = {"fx": 552.554, "fy": 552.554, "cx": 682.049, "cy": 238.77}
KITTI360 = [
    WideEye("image_00", (1408, 376), "pinhole", AHEAD, (1.57, 0.27, 1.61), 0.3, 5.1),
    WideEye("image_01", (1408, 376), "pinhole", AHEAD, (1.57, -0.32, 1.60), 0.2, 5.0),
    WideEye(
        "image_02",
        (1400, 1400),
        "mei",
        _mei(1336.32, 1335.77, 716.943, 705.765, 2.2134, 0.0168, 1.65488, 0.00042, 0.00042),
        (0.70, 0.43, 1.68),
        91.2,
        0.4,
    ),
    WideEye(
        "image_03",
        (1400, 1400),
        "mei",
        _mei(1485.43, 1484.91, 698.884, 698.145, 2.55356, 0.04909, 4.58704, -0.00031, 0.00089),
        (0.71, -0.44, 1.67),
        -90.7,
        -0.6,
    ),
]


def lens_files() -> dict[str, str]:
    """Return the text of every profile with lenses by its path in `calib_profiles/`."""
    return {
        "fisheye4.yaml": _profile(
            "fisheye4",
            """Four surround fisheyes of about 190 degrees, as cars have them for parking: under the grille,
below both mirrors, above the boot. Their lenses are MEI (unified) models with xi near 1; nothing is
symmetric on purpose. The model is given the raw images. Made up, with numbers of the size that such cameras have.""",
            ROOF, FISHEYE4,
        ),
        "ftheta4.yaml": _profile(
            "ftheta4",
            """Four surround fisheyes of about 190 degrees whose lenses are f-theta polynomials, as DriveWorks
and NCore have them. The model is given the raw images. Made up, with numbers of the size that such cameras have.""",
            ROOF, FTHETA4,
        ),
        "kitti360_like.yaml": _profile(
            "kitti360_like",
            """Two pinholes that look ahead, a stereo pair, and two MEI fisheyes that look aside, with lenses and
poses like those of KITTI-360. With xi above 2 the MEI formula maps points behind a camera into its
image; nothing beyond about 116 degrees is visible. The model is given the raw images of all four.""",
            KITTI_ROOF, KITTI360,
        ),
    }  # fmt: skip


STEREO = ("kitti360_like",)
"""Rigs with two cameras that look the same way on purpose."""
