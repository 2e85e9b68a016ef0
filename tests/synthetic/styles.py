"""The ways in which one attention is written, and its plain export: what the tests of every binding mode start from."""

from __future__ import annotations

import functools
from dataclasses import replace

import onnx

from specialize.visibility.grid import QueryGrid
from tests.synthetic.attention import GRID, Model, Style
from tests.synthetic.exporting import export

BASE = Style()
LEVELS = ((3, 4), (2, 2))
TURN_RAD = 0.3  # away from the calibration that the exporter traced with

STYLES: dict[str, Style] = {
    "masked twice": BASE,
    "masked query": replace(BASE, mask_on="query"),
    "masked output": replace(BASE, mask_on="output"),
    "bool mask": replace(BASE, mask_type="bool"),
    "int mask": replace(BASE, mask_type="int"),
    "wide mask": replace(BASE, wide_mask=True),
    "count before": replace(BASE, count="before"),
    "no count": replace(BASE, count="none"),
    "queries first": replace(BASE, batch_first=False),
    "two levels": replace(BASE, levels=LEVELS),
    "six cameras": replace(BASE, cameras=6),
    "volume": replace(BASE, grid=QueryGrid((2, 3, 5), GRID.range_m, 1)),
    "rebatched": replace(BASE, form="rebatched"),
    "looped": replace(BASE, form="looped"),
}
"""Those that every binding mode is tested on."""

ONE_CAMERA = {"one camera": replace(BASE, cameras=1)}
WIDE_BOOL = {"wide bool mask": replace(BASE, wide_mask=True, mask_type="bool")}
REBATCHED_LEVELS = replace(BASE, form="rebatched", batch_first=False, levels=LEVELS)


@functools.cache
def exported_layers(style: Style, layers: int = 1) -> onnx.ModelProto:
    """Return the export of a model whose layers all have one style."""
    model = Model(*[style] * layers)
    return export(model, model.example(), 16, dynamo=False, fold=True)
