"""The draft of a sidecar, made from the graph alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from specialize.artifact.manifest import Tensor
from specialize.calibration.profile import CalibrationProfile
from specialize.drafting.entries import Entry, draft_entries
from specialize.drafting.grids import Place, places_of
from specialize.drafting.image import ImageDraft, draft_image
from specialize.drafting.points import Typed
from specialize.drafting.text import entry_text, sidecar_text
from specialize.drafting.trial import Assignment, Trials
from specialize.drafting.use import Pixels, image_size, pixels_of
from specialize.model import ModelSpec
from specialize.model_kinds import KINDS


@dataclass(frozen=True, slots=True)
class Draft:
    """What a graph says about its sidecar.

    Attributes:
        name: Name of the model.
        image: Preparation of images.
        entries: Inputs that may be calibration.
        typed: Points that it projects, in graph order.
        cameras: Names of the cameras of the vehicle that was looked at.
    """

    name: str
    image: ImageDraft
    entries: tuple[Entry, ...]
    typed: tuple[Typed, ...]
    cameras: tuple[str, ...]

    def calibration(self) -> dict[str, str]:
        """Return what the draft has for each calibration input: a kind, or GUESS and several."""
        return {entry.name: entry_text(entry) for entry in self.entries if entry.kinds}

    def places(self, queries: Collection[int] = ()) -> tuple[Place, ...]:
        """Return the sets of points that the graph projects, if its sites have some numbers of queries."""
        return places_of(self.typed, queries)

    def text(self, queries: Collection[int] = ()) -> str:
        """Return the sidecar, to be saved and decided by a person."""
        return sidecar_text(self.name, self.image, self.entries, self.places(queries), self.cameras)

    def spec(self, queries: Collection[int] = ()) -> ModelSpec:
        """Return the sidecar as if every guess were right, to show what a specialization would do."""
        grids = tuple(place.grid for place in self.places(queries) if place.grid is not None)
        kinds = {entry.name: entry.kinds[0] for entry in self.entries if entry.kinds}
        return ModelSpec(name=self.name, image=self.image.prep, calibration_inputs=dict(kinds), grids=grids)


def draft_sidecar(
    name: str, model: ir.Model, inputs: Sequence[Tensor], profile: CalibrationProfile | None, given: bool
) -> Draft:
    """Return the draft of a sidecar.

    Args:
        name: Name of the model.
        model: The graph, folded.
        inputs: Its inputs.
        profile: A vehicle with as many cameras.
        given: Whether the vehicle is the user's own.
    """
    entries, trials = draft_entries(model, inputs)
    kinds = {entry.name: entry.kinds[0] for entry in entries if entry.kinds}
    projected, lifted, pixels = _found(trials, kinds) if trials is not None and kinds else ((), (), ())
    others = [tensor for tensor in inputs if tensor.name not in kinds]
    size = image_size(pixels)
    image = draft_image(others, size, lifted, profile, given)
    if not image.size_sure:
        entries = tuple(_in_doubt(entry) for entry in entries)
    return Draft(name, image, entries, projected, profile.camera_names() if profile is not None else ())


def _in_doubt(entry: Entry) -> Entry:
    """Return an entry that may be in pixels of a feature map, because the size of the image is not known."""
    if not entry.kinds or not KINDS[entry.kinds[0]].pixels:
        return entry
    record = f"{{kind: {entry.kinds[0]}, stride: image / map}}"
    return replace(
        entry, sure=False, comment=f"{entry.comment}; {record} if its pixels are those of a feature map"
    )


def _found(
    trials: Trials, kinds: Assignment
) -> tuple[tuple[Typed, ...], tuple[Typed, ...], tuple[Pixels, ...]]:
    """Return the points that a graph projects, those that it lifts, and what it does with pixels."""
    frame = "ego" if any("ego" in kind for kind in kinds.values()) else "lidar"
    values = trials.pointlike(frozenset(kinds))
    typed = [one for found in trials.typed(kinds, values).values() for one in found if frame in one.transform]
    lifted = tuple(one for one in typed if one.transform.startswith("img2"))
    projected, pixels = [], []
    for one in typed:
        if one.transform.endswith("2img") and one.source == "metres":
            used = pixels_of(trials, kinds, one)
            if used.ratios:
                projected.append(one)
                pixels.append(used)
    return tuple(projected), lifted, tuple(pixels)
