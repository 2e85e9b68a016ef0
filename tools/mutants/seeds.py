"""The models that mutants are built for: small, each with another way of writing, binding or packing it.

`write_seeds(folder)` exports them; everything else of the campaign needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import yaml
from torch import Tensor, nn

from specialize.calibration.load import load_profile
from specialize.files.resources import resource_dir
from specialize.visibility.grid import QueryGrid
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.plan import plan_visibility
from specialize.visibility.pyramid import Deviation
from tests.synthetic.attention import Model, Style
from tests.synthetic.exporting import export
from tests.synthetic.others import Lift, Tables, gather_tables
from tests.synthetic.styles import BASE, LEVELS, TURN_RAD
from tests.synthetic.vehicles import others, spec_of, vehicle
from tools.mutants.seed_files import write_seed
from tools.mutants.seeds_of_arithmetic import write_arithmetic
from tools.mutants.seeds_of_envelopes import write_envelope_over, write_envelope_truck
from tools.mutants.seeds_of_lenses import SEEDS_OF_LENSES
from tools.mutants.seeds_of_lifting import SEEDS_OF_LIFTING
from tools.mutants.seeds_of_planes import write_planes
from tools.mutants.seeds_of_pooling import write_pooled_places
from tools.mutants.seeds_of_rows import SEEDS_OF_ROWS
from tools.mutants.seeds_of_tables import write_composed, write_tables_heights, write_tables_padded
from tools.mutants.seeds_of_volumes import write_volumes, write_volumes_seen

CAR42 = Style(
    cameras=6,
    grid=QueryGrid((16, 20), (-20.0, -15.0, -2.0, 20.0, 15.0, 1.0), 2),
    size_px=(800, 400),
    levels=((5, 9),),
)
DENSE = replace(CAR42, grid=QueryGrid((30, 40), CAR42.grid.range_m, 2))
IMAGE = {"size_px": [800, 400], "scale": 0.5, "crop_px": [0.0, 50.0], "raw_size_px": [1600, 900]}
NEAR = Deviation(rotation_rad=0.02, translation_m=0.1, focal_ratio=0.02, principal_point_px=1.0)
TIGHT = "rotation=1deg,translation=5cm,focal=1%,principal_point=0.5px"
MOVING = (
    "rotation=0.3deg,translation=2cm,focal=0.5%,principal_point=6px,speed=10m/s,yaw_rate=20deg/s,skew=20ms"
)
DEGREES = ("rotation", "yaw_rate")
KINDS: dict[str, tuple[int, ...]] = {
    "ego2img": (1, 6, 4, 4), "img2ego": (1, 6, 4, 4), "img2lidar": (1, 6, 4, 4), "lidar2raw": (1, 6, 3, 4),
    "raw2lidar": (1, 6, 4, 4), "lidar2cam": (1, 6, 4, 4), "cam2lidar": (1, 6, 3), "ego2cam": (1, 6, 4, 4),
    "cam2ego": (1, 6, 3), "intrinsic": (1, 6, 3, 3), "inverse_intrinsic": (1, 6, 3, 3),
    "network_intrinsic": (1, 6, 3, 3), "inverse_network_intrinsic": (1, 6, 4, 4), "image_aug": (1, 6, 4, 4),
    "inverse_image_aug": (1, 6, 4, 4), "raw2network": (1, 6, 3, 3), "network2raw": (1, 6, 3, 3),
    "lidar2ego": (1, 4, 4), "ego2lidar": (1, 4, 4),
}  # fmt: skip


class Reads(nn.Module):
    """An attention whose maps also depend on every kind of matrix, and which writes to slices and rows at its end."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.model, self.style = Model(style), style
        torch.manual_seed(3)
        for name, shape in {**KINDS, "smaller": (1, 6, 4, 4)}.items():
            weight = torch.randn(math.prod(shape[2:] if len(shape) > 3 else shape[-1:]), style.dims)
            self.register_buffer(
                f"w_{name}", weight if len(shape) != 3 or shape[-1] == 3 else torch.randn(16, 8)
            )

    def forward(self, query: Tensor, maps: Tensor, lidar2img: Tensor, *matrices: Tensor) -> Tensor:
        """Maps (1, Q, C), (N, S, C), (1, N, 4, 4) and the matrices in the order of `KINDS`, then a strided one."""
        for name, matrix in zip((*KINDS, "smaller"), matrices, strict=True):
            weight = getattr(self, f"w_{name}")
            rows = matrix.reshape(-1, weight.shape[0])  # (N or 1, K)
            maps = maps + 0.1 * torch.tanh((rows / self.size(name, rows)) @ weight)[:, None]
        made = self.model(query, maps, lidar2img).clone()
        made[..., 1:3] = made[..., 1:3] + query[..., 4:6]
        made[:, [7, 3, 11]] = 2.0 * query[:, [0, 5, 2]]
        return made

    def size(self, name: str, rows: Tensor) -> float:
        """Return the magnitude of a matrix, a number of the trace."""
        return float(rows.abs().max())


def write_seeds(folder: Path) -> None:
    """Write every seed into a folder of its own."""
    for name, write in SEEDS.items():
        home = folder / name
        (home / "others").mkdir(parents=True, exist_ok=True)
        write(home)


def _exported(style: Style, opset: int = 16, layers: int = 1) -> onnx.ModelProto:
    model = Model(*[style] * layers)
    return export(model, model.example(), opset)


def _ring(
    style: Style, areas: tuple[str, ...], layers: int = 1, opset: int = 16, **options: Any
) -> Callable[[Path], None]:
    """Return what writes a seed with a ring of cameras."""
    tables = options.get("mode") == "tables"

    def write(home: Path) -> None:
        more = list(others(style, 2, NEAR, TURN_RAD)) if tables else None
        sidecar, rig = spec_of(style).to_text(), vehicle(style, TURN_RAD, "vehicle")
        write_seed(home, _exported(style, opset, layers), sidecar, rig, areas, more, **options)

    return write


def _sidecar(style: Style, inputs: Mapping[str, object], **more: object) -> str:
    grid = style.grid
    data: dict[str, object] = {
        "schema": "specialize/model@1",
        "image": IMAGE,
        "calibration_inputs": dict(inputs),
        "grids": [{"shape": list(grid.shape), "range_m": list(grid.range_m), "anchors": grid.anchors}],
        **more,
    }
    return str(yaml.safe_dump(data, sort_keys=False))


def _car42(style: Style, areas: tuple[str, ...], **options: Any) -> Callable[[Path], None]:
    """Return what writes a seed for the car of the documentation: poses as quaternions, images scaled and cropped."""

    def write(home: Path) -> None:
        profile = load_profile(resource_dir("calib_profiles") / "car42.yaml")
        more = list(at_the_edge(profile, [NEAR] * 6, 2, seed=5)) if options.get("mode") == "tables" else None
        sidecar = _sidecar(style, {"lidar2img": "lidar2img"})
        write_seed(home, _exported(style), sidecar, profile, areas, more, **options)

    return write


def _kinds(home: Path) -> None:
    profile = load_profile(resource_dir("calib_profiles") / "car42.yaml")
    inputs: dict[str, object] = {"lidar2img": "lidar2img", **{name: name for name in KINDS}}
    inputs["smaller"] = {"kind": "img2lidar", "stride": 8.0}
    sidecar = _sidecar(CAR42, inputs)
    from specialize.model.spec import parse_spec
    from specialize.passes.bind import fit

    example = Model(CAR42).example()
    arrays = parse_spec(sidecar, "seed").calibration_arrays(profile)
    shapes = {**KINDS, "smaller": (1, 6, 4, 4)}
    example |= {
        name: torch.tensor(fit(arrays[name], shape, np.dtype(np.float32), name))
        for name, shape in shapes.items()
    }
    model = Reads(CAR42)
    write_seed(home, export(model, example), sidecar, profile, ("calibration", "passes"))


def _pooled(style: Style, areas: tuple[str, ...]) -> Callable[[Path], None]:
    """Return what writes a seed in which frustum points are pooled to the cells of a grid."""

    def write(home: Path) -> None:
        rig = vehicle(style, TURN_RAD, "vehicle")
        matrix = np.linalg.inv(rig.image_from_lidar())[None].astype(np.float32)
        ((height, width),) = style.levels
        inputs = {
            "maps": torch.randn(style.cameras, 4, height, width),
            "img2lidar": torch.tensor(matrix),
        }
        data = {
            "schema": "specialize/model@1",
            "image": {"size_px": list(style.size_px)},
            "calibration_inputs": {"img2lidar": "img2lidar"},
        }
        write_seed(home, export(Lift(style, "scatter_add"), inputs), yaml.safe_dump(data), rig, areas)

    return write


def _outside(home: Path) -> None:
    """Index tables of the plan as constants of the sidecar; unused places are -1, the last row, which is zero."""
    style, rig = BASE, vehicle(BASE, TURN_RAD, "vehicle")
    plan = plan_visibility(rig.image_from_lidar(), np.array([style.size_px] * style.cameras), style.grid)
    tables = gather_tables(plan)
    tables["back"] = np.where(tables["back"] == tables["ids"].size, -1, tables["back"])
    example = Model(style).example()
    inputs = {"query": example["query"], "maps": example["maps"]}
    inputs |= {name: torch.tensor(array) for name, array in tables.items()}
    data = {
        "schema": "specialize/model@1",
        "image": {"size_px": list(style.size_px)},
        "calibration_inputs": {},
        "other_inputs": {name: array.tolist() for name, array in tables.items()},
    }
    text = yaml.safe_dump(data, sort_keys=False)
    model, areas = export(Tables(style), inputs), ("rows", "passes", "graph")
    write_seed(home, model, text, rig, areas, allow=["constant-calibration"])


REBATCHED = replace(BASE, form="rebatched")
SEEDS: dict[str, Callable[[Path], None]] = {
    "masked": _ring(BASE, ("rows", "graph", "visibility")),
    "rebatched_padded": _ring(REBATCHED, ("graph", "rows"), layout="padded", align=4),
    "looped_levels": _ring(replace(BASE, form="looped", levels=LEVELS), ("graph", "rows")),
    "bool_wide": _ring(
        replace(BASE, mask_type="bool", wide_mask=True, count="before"), ("rows", "graph"), align=8
    ),
    "volume_convolved": _ring(
        replace(BASE, convolved=True, grid=QueryGrid((2, 3, 5), BASE.grid.range_m, 1)),
        ("visibility", "passes"),
    ),
    "decomposed_13": _ring(
        replace(BASE, sampler="decomposed", levels=LEVELS, batch_first=False), ("rows", "graph"), opset=13
    ),
    "heights": _ring(replace(BASE, form="height_masks"), ("rows", "visibility")),
    "envelope": _ring(BASE, ("modes", "visibility", "passes"), mode="envelope", tolerance=TIGHT),
    "envelope_rebatched": _ring(
        REBATCHED, ("modes", "rows", "passes"), mode="envelope", tolerance=TIGHT, layout="padded"
    ),
    "envelope_moving": _car42(DENSE, ("modes", "visibility", "model"), mode="envelope", tolerance=MOVING),
    "tables": _ring(BASE, ("tables",), layers=2, mode="tables", capacity="auto"),
    "tables_rebatched": _ring(
        REBATCHED, ("tables",), mode="tables", capacity="auto", layout="padded", align=4
    ),
    "tables_car42": _car42(CAR42, ("tables", "model"), mode="tables", capacity="auto"),
    "car42": _car42(CAR42, ("model", "visibility", "calibration")),
    "kinds": _kinds,
    "pooled": _pooled(replace(BASE, grid=QueryGrid((20, 24), BASE.grid.range_m, 1)), ("rows",)),
    "pooled_many": _pooled(
        replace(BASE, grid=QueryGrid((4, 5), BASE.grid.range_m, 1), levels=((12, 16),)), ("passes",)
    ),
    "outside": _outside,
    "arithmetic": write_arithmetic,
    "pooled_places": write_pooled_places,
    "planes": write_planes,
    "volumes": write_volumes,
    "volumes_seen": write_volumes_seen,
    "envelope_over": write_envelope_over,
    "envelope_truck": write_envelope_truck,
    "composed": write_composed,
    "tables_heights": write_tables_heights,
    "tables_padded": write_tables_padded,
    **SEEDS_OF_LENSES,
    **SEEDS_OF_LIFTING,
    **SEEDS_OF_ROWS,
}
"""Every seed by its name."""
