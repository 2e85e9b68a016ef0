"""Write the plan as tables for use without the compiler: a reproducible `.npz`.

Keys, in the field's words (N cameras, Q queries, D points per query, L the longest length):

    bev_mask              (N, Q, D) bool     which points fall inside the image; a query is seen if any does
    seen                  (N, Q)    bool     which queries are seen
    indexes               (N, L)    int32    query ids, ascending; unused slots repeat the camera's first one
    lengths               (N,)      int32    slots of `indexes` in use
    max_len               ()        int32    L before alignment
    count                 (Q,)      int32    cameras that see the query; divide by max(count, 1)
    reference_points_cam  (N, Q, D, 2) float32   u / width, v / height
    borderline            (B, 2)    int32    camera and query of pairs that the model's rounding decides
    lidar2img             (N, 4, 4) float64  lidar frame to network pixels
    lidar2cam, lens_*     in its place where cameras have lenses: poses, models, limits and parameters
    size_px               (N, 2)    int32    width and height of the network's images
    grid_shape            (2,) or (3,) int32
    grid_order            ()        str      axes that the shape counts, slowest first: `yx`, `zyx` or another
    grid_range_m          (6,)      float64  x0, y0, z0, x1, y1, z1
    digest                ()        str      of the plan

The same plan gives the same bytes: no time, no host, no compression.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specialize.files.atomic import write_file
from specialize.visibility.plan import VisibilityPlan

Table = npt.NDArray[np.generic]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def plan_tables(plan: VisibilityPlan, align: int = 1) -> dict[str, Table]:
    """Return the tables named above; `align` rounds L up to a multiple."""
    return {
        "bev_mask": plan.points_seen(),
        "seen": plan.seen,
        "indexes": plan.padded_ids(align).astype(np.int32),
        "lengths": plan.lengths.astype(np.int32),
        "max_len": np.array(plan.longest, np.int32),
        "count": plan.count.astype(np.int32),
        "reference_points_cam": plan.reference_points().astype(np.float32),
        "borderline": plan.borderline.astype(np.int32),
        "size_px": plan.size_px.astype(np.int32),
        "grid_shape": np.array(plan.grid.shape, np.int32),
        "grid_range_m": np.array(plan.grid.range_m),
        "grid_order": np.array(plan.grid.axes_order),
        "digest": np.array(plan.digest),
        **plan.projection.tables(),
    }


def write_plan(plan: VisibilityPlan | Mapping[str, VisibilityPlan], path: Path, align: int = 1) -> None:
    """Write one plan, or several under `<name>/<key>`, as `.npz`; the file appears complete or not at all."""
    if isinstance(plan, Mapping):
        tables = {
            f"{name}/{key}": table
            for name, one in plan.items()
            for key, table in plan_tables(one, align).items()
        }
    else:
        tables = plan_tables(plan, align)
    write_npz(tables, path)


def write_npz(tables: Mapping[str, Table], path: Path) -> None:
    """Write arrays as an uncompressed `.npz` whose bytes depend on the arrays alone."""
    write_file(path, npz_bytes(tables))


def npz_bytes(tables: Mapping[str, Table]) -> bytes:
    """Return the content of an uncompressed `.npz` that depends on the arrays alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(tables):
            archive.writestr(_entry(key), _npy(tables[key]))
    return buffer.getvalue()


def _entry(key: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"{key}.npy", date_time=_EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


def _npy(table: Table) -> bytes:
    buffer = io.BytesIO()
    little = np.ascontiguousarray(table).astype(table.dtype.newbyteorder("<"), copy=False)
    np.lib.format.write_array(buffer, little.reshape(table.shape), allow_pickle=False)
    return buffer.getvalue()
