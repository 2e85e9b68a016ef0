"""Limits on the attributes of nodes, where a document names the supported values."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir


@dataclass(frozen=True, slots=True)
class AllInts:
    """Every number of a list has this value; it is the default too."""

    name: str
    value: int

    def fault(self, node: ir.Node) -> str:
        """Return the numbers if one is another."""
        attribute = node.attributes.get(self.name)
        found = [self.value] if attribute is None else list(attribute.as_ints())
        other = any(number != self.value for number in found)
        return f"its {self.name} are {found}, only {self.value} is supported" if other else ""


@dataclass(frozen=True, slots=True)
class IsOne:
    """A factor that is 1, as it is by default."""

    name: str

    def fault(self, node: ir.Node) -> str:
        """Return the factor if it is another."""
        attribute = node.attributes.get(self.name)
        factor = 1.0 if attribute is None else attribute.as_float()
        return "" if factor == 1.0 else f"its {self.name} is {factor:g}, only 1 is supported"


@dataclass(frozen=True, slots=True)
class NoInput:
    """The input at this place is not used."""

    place: int
    name: str

    def fault(self, node: ir.Node) -> str:
        """Return its name if it is."""
        used = self.place < len(node.inputs) and node.inputs[self.place] is not None
        return f"it has an input `{self.name}`, which is not supported" if used else ""


@dataclass(frozen=True, slots=True)
class NearestMode:
    """A nearest Resize rounds in this way, which is not the default."""

    value: str

    def fault(self, node: ir.Node) -> str:
        """Return the way if it is another one."""
        mode, rounding = (node.attributes.get(name) for name in ("mode", "nearest_mode"))
        if mode is not None and mode.as_string() != "nearest":
            return ""
        found = "round_prefer_floor" if rounding is None else rounding.as_string()
        return "" if found == self.value else f"its nearest_mode is {found}, only {self.value} is supported"


@dataclass(frozen=True, slots=True)
class CountsPadding:
    """An average counts padding, which is not the default; without padding it is all the same."""

    def fault(self, node: ir.Node) -> str:
        """Return that it does not."""
        pads, counts = (node.attributes.get(name) for name in ("pads", "count_include_pad"))
        padded = pads is not None and any(pads.as_ints())
        return (
            "it leaves padding out of averages" if padded and (counts is None or not counts.as_int()) else ""
        )
