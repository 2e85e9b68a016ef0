"""Model lenses: where a point in front of a camera lands in its raw image, and which points are invisible.

Every model is one class in one module, and one line in `kinds.LENSES`. Camera frame: x right, y down, z forward, in
metres. Pixels: the centre of a pixel has whole coordinates. Nothing here knows of vehicles, models or grids.
"""

from specialize.calibration.lens.base import Lens
from specialize.calibration.lens.kinds import LENSES, lens_of
from specialize.calibration.lens.rounding import Rounded

__all__ = ["LENSES", "Lens", "Rounded", "lens_of"]
