"""The rigs of `calib_profiles/` as their authors think of them, and the files they become.

Every number in `calib_profiles/` follows from this file: mounting angles in degrees, positions in
metres, fields of view, and seeds for the assembly errors. Rewrite the files after a change with

    python -m tests.calibration.authored
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specialize.calibration.pose import Matrix, intrinsic_4x4, inverse, product, rigid
from specialize.calibration.pose import quaternion_from_rotation as quaternion_of
from tests.calibration.authored_lenses import lens_files

PROFILES = Path(__file__).parents[2] / "calib_profiles"

# Camera axes (x right, y down, z forward) in the axes of the vehicle (x forward, y left, z up).
EGO_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Mount:
    """Where a sensor sits: metres in the vehicle frame, degrees; yaw left, pitch down, roll right."""

    x: float
    y: float
    z: float
    yaw: float
    pitch: float = 0.0
    roll: float = 0.0

    def rotation(self) -> Matrix:
        """Return the (3, 3) rotation of the mount, yaw applied last."""
        cy, cp, cr = (math.cos(math.radians(a)) for a in (self.yaw, self.pitch, self.roll))
        sy, sp, sr = (math.sin(math.radians(a)) for a in (self.yaw, self.pitch, self.roll))
        about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        return about_z @ about_y @ about_x


@dataclass(frozen=True)
class Eye:
    """One camera: size in px, horizontal field of view in degrees, principal point off centre in px."""

    name: str
    size_px: tuple[int, int]
    hfov: float
    off_centre_px: tuple[float, float]
    mount: Mount

    def intrinsic(self) -> Matrix:
        """Return the (3, 3) intrinsic, rounded to 0.01 px as calibration tools print it."""
        focal = self.size_px[0] / 2 / math.tan(math.radians(self.hfov / 2))
        cx, cy = (size / 2 + off for size, off in zip(self.size_px, self.off_centre_px, strict=True))
        return np.round(np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]]), 2)

    def ego_from_camera(self) -> Matrix:
        """Return the (4, 4) pose of the camera's optical frame."""
        m = self.mount
        return rigid(m.rotation() @ EGO_FROM_OPTICAL, np.array([m.x, m.y, m.z]))


@dataclass(frozen=True)
class Rig:
    """One vehicle: where its lidar is, its cameras in order, and the words that explain them."""

    vehicle: str
    rationale: str
    lidar: Mount
    eyes: tuple[Eye, ...]
    tolerance: str = ""


FULL = (1600, 900)
CAR42 = Rig(
    vehicle="car42",
    rationale="""The nominal six-camera car of the documentation: five cameras of about 65 degrees and a rear
camera of about 90, in the order that BEVFormer was trained with. Nothing is symmetric on
purpose: every mount is off by a few tenths of a degree and a few millimetres, and principal
points are off centre, so that a swapped or mirrored camera cannot go unnoticed. The lidar
sits on the roof, x right, y forward, z up; the vehicle frame (x forward, y left, z up)
starts at the rear axle on the ground.""",
    lidar=Mount(0.912, 0.004, 1.828, yaw=-90.18, pitch=0.22, roll=0.41),
    eyes=(
        Eye("CAM_FRONT", FULL, 65.1, (8.4, 11.2), Mount(1.792, 0.013, 1.463, 0.26, 0.55, -0.12)),
        Eye("CAM_FRONT_RIGHT", FULL, 64.8, (-6.1, 9.7), Mount(1.604, -0.531, 1.472, -55.7, 0.83, 0.21)),
        Eye("CAM_FRONT_LEFT", FULL, 65.3, (12.9, -4.4), Mount(1.597, 0.544, 1.477, 55.2, 0.61, -0.34)),
        Eye("CAM_BACK", FULL, 89.6, (-3.2, 15.8), Mount(-0.118, -0.021, 1.489, 179.6, 1.10, 0.17)),
        Eye("CAM_BACK_LEFT", FULL, 65.0, (5.5, 7.3), Mount(0.962, 0.527, 1.501, 109.3, 0.72, 0.28)),
        Eye("CAM_BACK_RIGHT", FULL, 64.9, (-10.3, 3.6), Mount(0.978, -0.512, 1.494, -110.6, 0.94, -0.09)),
    ),
)

# The same six cameras on a higher and longer body.
VAN = dataclasses.replace(
    CAR42,
    vehicle="van",
    lidar=Mount(1.340, -0.006, 2.312, yaw=-89.77, pitch=-0.15, roll=0.36),
    eyes=tuple(
        dataclasses.replace(
            eye,
            mount=dataclasses.replace(
                eye.mount,
                x=round(eye.mount.x * 1.24, 3),
                z=round(eye.mount.z + 0.47, 3),
                pitch=eye.mount.pitch + 1.5,
            ),
        )
        for eye in CAR42.eyes
    ),
)

PORTRAIT, LANDSCAPE = (1440, 1920), (1920, 1440)
RING7 = Rig(
    vehicle="ring7",
    rationale="""Seven cameras, one of them another shape: the front camera is portrait and taller than the
others are wide, so nothing may assume one image size. Neighbours overlap by 8 to 20 degrees
and the rear is covered by two cameras without one that looks straight back. The lidar frame
is x forward, y left, z up. Spelled as intrinsic and lidar2cam.""",
    lidar=Mount(1.38, 0.006, 1.66, yaw=-0.35, pitch=0.1),
    eyes=(
        Eye("ring_front_center", PORTRAIT, 47.4, (-3.7, 8.1), Mount(1.665, 0.004, 1.405, 0.15, 0.3, 0.1)),
        Eye("ring_front_right", LANDSCAPE, 62.3, (5.2, -6.9), Mount(1.612, -0.181, 1.412, -45.3, 0.5, -0.2)),
        Eye("ring_front_left", LANDSCAPE, 62.5, (-4.8, 3.3), Mount(1.609, 0.186, 1.409, 44.6, 0.4, 0.3)),
        Eye("ring_side_right", LANDSCAPE, 62.2, (7.7, 1.4), Mount(1.317, -0.262, 1.418, -99.4, 0.2, 0.1)),
        Eye("ring_side_left", LANDSCAPE, 62.6, (-1.9, 5.8), Mount(1.321, 0.257, 1.415, 98.7, 0.6, -0.1)),
        Eye("ring_rear_right", LANDSCAPE, 62.4, (2.6, -2.2), Mount(1.143, -0.163, 1.421, -152.6, 0.7, 0.2)),
        Eye("ring_rear_left", LANDSCAPE, 62.3, (-6.4, 9.5), Mount(1.139, 0.168, 1.417, 153.4, 0.3, -0.3)),
    ),
)

WIDE = (1920, 1208)
WIDE4 = Rig(
    vehicle="wide4",
    rationale="""Four wide cameras (110 to 120 degrees, undistorted) as on cars without a roof rack: all but a
few cells of the ground are seen by one or two of them, the longest camera sees a third of all cells, and
specialization saves less than on a six-camera ring. The lidar frame is x right, y forward,
z up. Spelled as bare lidar2img: no intrinsic, no lens, only the product.""",
    lidar=Mount(1.21, -0.003, 1.74, yaw=-90.4, pitch=0.2),
    eyes=(
        Eye("FRONT", WIDE, 118.0, (4.1, -7.5), Mount(2.05, 0.011, 1.31, 0.4, 3.2, 0.2)),
        Eye("RIGHT", WIDE, 112.5, (-8.3, 6.6), Mount(1.92, -0.94, 1.04, -91.3, 9.6, -0.5)),
        Eye("BACK", WIDE, 117.2, (2.7, 10.4), Mount(-0.87, 0.018, 1.12, 179.3, 7.1, 0.3)),
        Eye("LEFT", WIDE, 113.1, (6.9, -3.8), Mount(1.93, 0.95, 1.05, 90.6, 9.9, 0.4)),
    ),
)


# What the assembly line keeps to, in the keys of a profile.
LINE = {"rotation_deg": 0.3, "translation_m": 0.01, "focal_percent": 0.3, "principal_point_px": 3.0}


def assembled(rig: Rig, vehicle: str) -> Rig:
    """Return the rig as it leaves the line: every camera off within `LINE`, drawn by the vehicle's name.

    Rotation and translation errors are uniform in balls, the others in intervals, of 0.9 of their bounds.
    """
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(vehicle.encode())))
    eyes = []
    for eye in rig.eyes:
        turn, move = (0.9 * _in_ball(rng) * LINE[key] for key in ("rotation_deg", "translation_m"))
        zoom = 1 + 0.9 * rng.uniform(-1, 1) * LINE["focal_percent"] / 100
        right, down = 0.9 * rng.uniform(-1, 1, size=2) * LINE["principal_point_px"]
        off_centre_px = (eye.off_centre_px[0] + float(right), eye.off_centre_px[1] + float(down))
        m = eye.mount
        mount = Mount(
            *(round(float(value), 4) for value in (m.x + move[0], m.y + move[1], m.z + move[2])),
            *(round(float(value), 3) for value in (m.yaw + turn[0], m.pitch + turn[1], m.roll + turn[2])),
        )
        hfov = 2 * math.degrees(math.atan(math.tan(math.radians(eye.hfov / 2)) / zoom))
        eyes.append(dataclasses.replace(eye, hfov=hfov, off_centre_px=off_centre_px, mount=mount))
    tolerance = "{" + ", ".join(f"{key}: {bound}" for key, bound in LINE.items()) + "}"
    return dataclasses.replace(rig, vehicle=vehicle, eyes=tuple(eyes), tolerance=tolerance)


def knocked(rig: Rig, name: str, yaw_deg: float) -> Rig:
    """Return the rig with one camera turned, as after a bump."""
    eyes = tuple(
        dataclasses.replace(eye, mount=dataclasses.replace(eye.mount, yaw=eye.mount.yaw + yaw_deg))
        if eye.name == name
        else eye
        for eye in rig.eyes
    )
    return dataclasses.replace(rig, eyes=eyes)


def files() -> dict[str, str]:
    """Return the text of every authored profile by its path in `calib_profiles/`."""
    car43 = dataclasses.replace(
        assembled(CAR42, "car43"),
        rationale="""The next car of the same model as car42. Every camera is off by an assembly error within
0.3 degrees, 1 cm, 0.3 % focal length and 3 px, the tolerance it states: what two cars of one batch
differ by.""",
    )
    texts = {
        "car42.yaml": by_sensor_pose(CAR42),
        "car43.yaml": by_sensor_pose(car43),
        "reference/ring7.yaml": by_transform(RING7),
        "reference/wide4.yaml": by_projection(WIDE4),
        **lens_files(),
    }
    for number in range(1, 9):
        van = dataclasses.replace(
            assembled(VAN, f"van_{number:02}"),
            rationale="""One van of the demo fleet: car42's cameras on a body 0.5 m higher and a quarter
longer, off by its own assembly error within 0.3 degrees, 1 cm, 0.3 % focal length and 3 px.""",
        )
        if van.vehicle == "van_05":
            van = dataclasses.replace(
                knocked(van, "CAM_BACK", 0.8),
                rationale=f"{van.rationale}\nThe outlier: afterwards its rear camera was knocked "
                "0.8 degrees (14 mrad) to the left.",
            )
        texts[f"demo_fleet/{van.vehicle}.yaml"] = by_sensor_pose(van)
    return texts


def by_sensor_pose(rig: Rig) -> str:
    """Return the profile spelled as intrinsic and sensor2ego."""
    lines = [*_head(rig), "lidar2ego:", *_pose(rig.lidar.rotation(), rig.lidar, "  "), "cameras:"]
    for eye in rig.eyes:
        lines += [*_eye_head(eye), *_matrix("intrinsic", eye.intrinsic(), 2), "    sensor2ego:"]
        lines += _pose(eye.ego_from_camera()[:3, :3], eye.mount, "      ")
    return "\n".join(lines) + "\n"


def by_transform(rig: Rig) -> str:
    """Return the profile spelled as intrinsic and lidar2cam."""
    lines = [*_head(rig), "cameras:"]
    for eye in rig.eyes:
        lines += [*_eye_head(eye), *_matrix("intrinsic", eye.intrinsic(), 2)]
        lines += _matrix("lidar2cam", _camera_from_lidar(rig, eye), 9)
    return "\n".join(lines) + "\n"


def by_projection(rig: Rig) -> str:
    """Return the profile spelled as bare lidar2img."""
    lines = [*_head(rig), "cameras:"]
    for eye in rig.eyes:
        matrix = product(intrinsic_4x4(eye.intrinsic()), _camera_from_lidar(rig, eye))
        lines += [*_eye_head(eye), *_matrix("lidar2img", matrix, 7)]
    return "\n".join(lines) + "\n"


def _head(rig: Rig) -> list[str]:
    lines = [f"# {line}" for line in rig.rationale.splitlines()]
    lines += ["schema: specialize/profile@1", f"vehicle: {rig.vehicle}"]
    return [*lines, f"tolerance: {rig.tolerance}"] if rig.tolerance else lines


def _eye_head(eye: Eye) -> list[str]:
    m = eye.mount
    width, height = eye.size_px
    return [
        f"  # looks {m.yaw:+.2f} deg (left +), {m.pitch:.2f} deg down, rolled {m.roll:.2f} deg; "
        f"field of view {eye.hfov:.1f} deg",
        f"  - name: {eye.name}",
        f"    size_px: [{width}, {height}]",
    ]


def _pose(rotation: Matrix, mount: Mount, indent: str) -> list[str]:
    quaternion = ", ".join(f"{value:.9f}" for value in quaternion_of(rotation))
    return [
        f"{indent}rotation_wxyz: [{quaternion}]",
        f"{indent}translation_m: [{mount.x}, {mount.y}, {mount.z}]",
    ]


def _matrix(key: str, matrix: Matrix, digits: int) -> list[str]:
    rows = (", ".join(f"{value + 0.0:.{digits}f}" for value in np.round(row, digits)) for row in matrix[:-1])
    last = ", ".join(f"{value:.1f}" for value in matrix[-1])
    return [f"    {key}:", *(f"      - [{row}]" for row in rows), f"      - [{last}]"]


def _camera_from_lidar(rig: Rig, eye: Eye) -> Matrix:
    ego_from_lidar = rigid(rig.lidar.rotation(), np.array([rig.lidar.x, rig.lidar.y, rig.lidar.z]))
    return product(inverse(eye.ego_from_camera()), ego_from_lidar)


def _in_ball(rng: np.random.Generator) -> Matrix:
    """Return a point (3,) uniform in the unit ball."""
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction) * rng.uniform() ** (1 / 3)


if __name__ == "__main__":
    for name, text in files().items():
        (PROFILES / name).write_text(text)
