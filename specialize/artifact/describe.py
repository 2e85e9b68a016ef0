"""Describe graphs, sites and notes as the manifest stores them."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from specialize.artifact.manifest import PassNote, Site, SiteCamera, Tensor
from specialize.graph.notes import Note
from specialize.passes.compact import COSTS_MORE
from specialize.passes.site import CompactedSite

UNKNOWN = -1
"""Value for a dimension that is not a number."""


def describe_tensor(value: ir.Value) -> Tensor:
    """Return name, numpy dtype and shape of an input or output."""
    dtype = value.dtype.numpy().name if value.dtype is not None else "unknown"
    shape = value.shape if value.shape is not None else ()
    sizes = tuple(size if isinstance(size, int) else UNKNOWN for size in shape)
    return Tensor(name=str(value.name), dtype=dtype, shape=sizes)


def describe_site(site: CompactedSite, cameras: tuple[str, ...]) -> Site:
    """Describe a site with the names of its cameras; sites whose groups are not cameras get numbers."""
    site = site.by_camera(len(cameras))
    groups = tuple(f"group {index}" for index in range(len(site.visible)))
    names = cameras if site.kind == "camera" else groups
    pairs = zip(names, site.visible, strict=True)
    return Site(
        kind=site.kind,
        queries=site.queries,
        cameras=tuple(SiteCamera(name=name, visible=visible) for name, visible in pairs),
        longest=max(site.visible, default=0),
        pairs=site.pairs,
        rows_computed=site.rows_computed,
    )


def left_for_cost(notes: Iterable[Note | PassNote]) -> frozenset[str]:
    """Return the names of the sites that were not rewritten because that would have cost more."""
    return frozenset(note.where for note in notes if COSTS_MORE in note.reason)


def describe_notes(notes: Iterable[Note]) -> tuple[PassNote, ...]:
    """Return what the passes did or declined."""
    return tuple(
        PassNote(name=note.pass_name, applied=note.verdict == "applied", where=note.where, reason=note.reason)
        for note in notes
    )
