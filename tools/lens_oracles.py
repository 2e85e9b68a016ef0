"""What OpenCV and NVIDIA NCore say of lenses, written into tests/calibration/lens/oracles.json: `make lens-oracles`.

Both packages stay out of the repository's environment (opencv-contrib has 170 MB, nvidia-ncore brings zarr and its
codecs), so the tests read a few points per lens as these packages gave them. This script also compares
`specialize.calibration.lens` and `specialize.witness` with them on 100,000 points per lens, and fails beyond 1e-9 px.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from ncore.impl.data import types
from ncore.sensors import FThetaCameraModel, OpenCVFisheyeCameraModel
from ncore.sensors import OpenCVPinholeCameraModel as NcorePinhole

from specialize.calibration.lens import lens_of as compilers_lens_of
from specialize.calibration.lens.windshield import Windshield
from specialize.witness.lens import lens_of, seen_through

HERE = Path(__file__).parent.parent / "tests/calibration/lens/oracles.json"
MANY, KEPT, AGREEMENT_PX = 100_000, 128, 1e-9
SIZE = np.array([8000, 8000], np.uint64)
NOWHERE = np.zeros((3, 1))

FOCAL = {"fx": 1336.3, "fy": 1335.8, "cx": 716.9, "cy": 705.7}
RADTAN = {"k1": -0.31, "k2": 0.11, "p1": 4.2e-4, "p2": -3.1e-4, "k3": -0.012}
RATIONAL = {
    "k1": 0.71,
    "k2": -0.22,
    "p1": 3.1e-4,
    "p2": 1.2e-4,
    "k3": -0.011,
    "k4": 1.05,
    "k5": -0.07,
    "k6": -0.03,
}
RATIONAL |= {"s1": 2e-4, "s2": -1e-4, "s3": -3e-4, "s4": 2e-4}
KITTI_360 = {"xi": 2.2134, "k1": 0.016798, "k2": 1.6548, "p1": 4.2223e-4, "p2": 4.2462e-4}
NARROW_MEI = {"xi": 0.92, "k1": -0.11, "k2": 0.021, "p1": 4e-4, "p2": -2e-4, "skew": 1.7}
FISHEYE = {"k1": 0.021, "k2": -0.013, "k3": 0.0042, "k4": -0.0011}
A_OF_ANGLE = {"a1": 920.5, "a2": -4.1, "a3": 12.3, "a4": -31.2, "a5": 5.1}
B_OF_PX = {"b1": 1.08e-3, "b2": 3.2e-8, "b3": -2.1e-11, "b4": 4.1e-14, "b5": -3.3e-18}
GLASS = {
    "horizontal_poly": [2.1e-4, 1.0021, 3.1e-4, -2.2e-4, 1.7e-3, 4.1e-4],
    "vertical_poly": [-1.3e-4, 2.4e-4, 1.1e-3, 0.9987, -3.3e-4, 2.1e-3],
}


def cases() -> dict[str, tuple[str, dict, float]]:
    """Return by name an oracle, the profile's `lens:`, and the angle up to which points are drawn."""
    wide = {"max_angle_rad": round32(1.9)}
    half = {"pixel_centre": 0.5}
    ftheta = {"cx": 719.3, "cy": 541.2, "c": 1.0012, "d": -3e-4, "e": 2e-4}
    ncore = {
        "ftheta-angle": lens("ftheta", {**ftheta, **A_OF_ANGLE, **B_OF_PX}, wide),
        "ftheta-pixels": lens("ftheta", {**ftheta, **A_OF_ANGLE, **B_OF_PX, "reference": 1.0}, wide),
        "ncore-fisheye": lens("kannala_brandt", {**FOCAL, **FISHEYE}, {**wide, **half}),
        "ncore-pinhole": lens("brown_conrady", {**FOCAL, **RATIONAL}, half),
        "windshield": lens("ftheta", {**ftheta, **A_OF_ANGLE, **B_OF_PX}, {**wide, "windshield": GLASS}),
        "windshield-pinhole": lens("brown_conrady", {**FOCAL, **RATIONAL}, {**half, "windshield": GLASS}),
    }
    ncore = {name: round_all(each) for name, each in ncore.items()}  # its parameters have 32 bits
    opencv = {
        "plumb_bob": lens("plumb_bob", {**FOCAL, **RADTAN}),
        "thin_prism": lens("thin_prism", {**FOCAL, **RATIONAL}),
        "equidistant": lens("equidistant", {**FOCAL, **FISHEYE, "skew": 2.5}),
        "mei-kitti-360": lens("mei", {**FOCAL, **KITTI_360}),
        "mei-narrow": lens("omnidir", {**FOCAL, **NARROW_MEI}),
    }
    to_rad = {
        "plumb_bob": 0.7,
        "equidistant": 1.5,
        "mei-kitti-360": 2.0,
        "windshield": 1.3,
        "mei-narrow": 1.9,
    }
    return {
        **{name: ("opencv", each, to_rad.get(name, 0.8)) for name, each in opencv.items()},
        **{
            name: ("ncore", each, to_rad.get(name, 0.6 if "pinhole" in name else 1.85))
            for name, each in ncore.items()
        },
    }


def lens(model: str, parameters: dict, more: dict | None = None) -> dict:
    """Return a profile's `lens:`."""
    return {"model": model, "parameters": parameters, **(more or {})}


def round32(value: float) -> float:
    """Return the nearest number of 32 bits."""
    return float(np.float32(value))


def round_all(value: object) -> object:
    """Return the same with every number rounded to 32 bits."""
    if isinstance(value, dict):
        return {key: round_all(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [round_all(inner) for inner in value]
    return round32(value) if isinstance(value, float) else value


def points_within(angle_rad: float, count: int) -> np.ndarray:
    """Return (count, 3) points up to an angle from the axis, 0.5 to 60 m away, to the micrometre."""
    draw = np.random.default_rng(0)
    theta, phi = angle_rad * draw.random(count), 2 * np.pi * draw.random(count)
    rays = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
    return np.round(rays * draw.uniform(0.5, 60, (count, 1)), 6)


def opencv(lens: dict, points: np.ndarray) -> np.ndarray:
    """Return (P, 2) pixels."""
    p = lens["parameters"]
    matrix = np.array([[p["fx"], p.get("skew", 0.0), p["cx"]], [0.0, p["fy"], p["cy"]], [0.0, 0.0, 1.0]])
    stacked = points[:, None, :]
    if "xi" in p:
        d = np.array([[p["k1"], p["k2"], p["p1"], p["p2"]]])
        pixels, _ = cv2.omnidir.projectPoints(stacked, NOWHERE, NOWHERE, matrix, p["xi"], d)
    elif lens["model"] == "equidistant":
        d = np.array([p["k1"], p["k2"], p["k3"], p["k4"]])
        matrix[0, 1] = 0.0
        pixels, _ = cv2.fisheye.projectPoints(
            stacked, NOWHERE, NOWHERE, matrix, d, alpha=p.get("skew", 0.0) / p["fx"]
        )
    else:
        names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4")
        d = np.array([p.get(name, 0.0) for name in (names if "s1" in p else names[:5])])
        pixels, _ = cv2.projectPoints(stacked, NOWHERE, NOWHERE, matrix, d)
    return pixels.reshape(-1, 2)


def ncore(lens: dict, points: np.ndarray) -> np.ndarray:
    """Return (P, 2) pixels, centres at whole coordinates; NCore's own count from the first pixel's corner."""
    model, _ = ncore_model(lens)
    result = model.camera_rays_to_image_points(
        torch.tensor(points / np.linalg.norm(points, axis=-1, keepdims=True))
    )
    return result.image_points.numpy() - 0.5


def ncore_model(lens: dict) -> tuple[Any, types.CameraModelParameters]:
    """Return NCore's own camera, in 64 bits, and its parameters."""
    p = lens["parameters"]
    glass = glass_of(lens["windshield"]) if lens.get("windshield") else None
    shared = {
        "resolution": SIZE,
        "shutter_type": types.ShutterType.GLOBAL,
        "external_distortion_parameters": glass,
    }
    centre = {"principal_point": single(p, "cx", "cy")}
    if lens["model"] == "ftheta":
        kind = types.FThetaCameraModelParameters
        of = kind.PolynomialType
        reference = of.PIXELDIST_TO_ANGLE if p.get("reference") else of.ANGLE_TO_PIXELDIST
        parameters = kind(
            **shared,
            **centre,
            reference_poly=reference,
            pixeldist_to_angle_poly=single(p, *(f"b{power}" for power in range(6))),
            angle_to_pixeldist_poly=single(p, *(f"a{power}" for power in range(6))),
            max_angle=lens["max_angle_rad"],
            linear_cde=single(p, "c", "d", "e"),
        )
        return FThetaCameraModel(parameters, "cpu", torch.float64, newton_iterations=60), parameters
    shared |= {**centre, "focal_length": single(p, "fx", "fy")}
    if lens["model"] == "kannala_brandt":
        radial = single(p, "k1", "k2", "k3", "k4")
        parameters = types.OpenCVFisheyeCameraModelParameters(
            **shared, radial_coeffs=radial, max_angle=lens["max_angle_rad"]
        )
        return OpenCVFisheyeCameraModel(parameters, "cpu", torch.float64), parameters
    parameters = types.OpenCVPinholeCameraModelParameters(
        **shared,
        radial_coeffs=single(p, "k1", "k2", "k3", "k4", "k5", "k6"),
        tangential_coeffs=single(p, "p1", "p2"),
        thin_prism_coeffs=single(p, "s1", "s2", "s3", "s4"),
    )
    return NcorePinhole(parameters, "cpu", torch.float64), parameters


def glass_of(glass: dict) -> types.BivariateWindshieldModelParameters:
    """Return NCore's windshield; its inverse is not asked for."""
    horizontal, vertical = (np.array(glass[key], np.float32) for key in ("horizontal_poly", "vertical_poly"))
    forward = types.ReferencePolynomial.FORWARD
    return types.BivariateWindshieldModelParameters(forward, horizontal, vertical, horizontal, vertical)


def by_witness(lens: dict, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, 2) pixels and (P,) whether there are any."""
    return seen_through(lens_of(lens), points)


def by_compiler(lens: dict, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, 2) pixels and (P,) whether there are any."""
    glass = lens.get("windshield")
    own = compilers_lens_of(
        lens["model"],
        lens["parameters"],
        max_angle_rad=lens.get("max_angle_rad"),
        pixel_centre=lens.get("pixel_centre", 0.0),
        windshield=Windshield(tuple(glass["horizontal_poly"]), tuple(glass["vertical_poly"]))
        if glass
        else None,
    )
    return own.project(points)


def single(parameters: dict, *names: str) -> np.ndarray:
    """Return parameters as NCore keeps them."""
    return np.array([parameters.get(name, 0.0) for name in names], np.float32)


def main() -> int:
    """Ask, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, default=HERE)
    out, worst = parser.parse_args().write, 0.0
    records = []
    for name, (oracle, spelled, to_rad) in cases().items():
        points = points_within(to_rad, MANY)
        pixels = {"opencv": opencv, "ncore": ncore}[oracle](spelled, points)
        for who, see in (("the witness", by_witness), ("the compiler", by_compiler)):
            own, valid = see(spelled, points)
            apart = float(np.abs(own - pixels).max()) if valid.all() else math.inf
            worst = max(worst, apart)
            print(
                f"{name}: {MANY} points up to {to_rad} rad, at most {apart:.1e} px between {oracle} and {who}"
            )
        kept = {"points_m": points[:KEPT].tolist(), "pixels": pixels[:KEPT].tolist()}
        if oracle == "ncore":  # as NCore writes the camera, for the importer of its files
            kept["stored"] = types.encode_camera_model_parameters(ncore_model(spelled)[1])
        records.append({"name": name, "oracle": oracle, "lens": spelled, **kept})
    packages = ("opencv-contrib-python-headless", "nvidia-ncore")
    versions = {package: version(package) for package in packages}
    out.write_text(
        json.dumps({"packages": versions, "lenses": records}, indent=None) + "\n", encoding="utf-8"
    )
    return 0 if worst < AGREEMENT_PX else 1


if __name__ == "__main__":
    sys.exit(main())
