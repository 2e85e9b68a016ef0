"""Write the table of formulas as a page of the documentation.

Rewrite the page with `python -m specialize.costs.table > docs/reference/flop-formulas.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import onnx

from specialize.costs.formulas import FORMULAS, FREE
from specialize.costs.movement import MOVEMENTS
from specialize.costs.pieces import PIECES
from specialize.costs.predict import RATES
from specialize.costs.traffic import PICKS

_HEAD = """# Formulas: what every operator costs

Written by `python -m specialize.costs.table`; do not edit.

`y` is the output, `x` the first input, `.size` a number of elements.
A multiply-add ("mul-add") counts as two operations, everything else as one.
An element-wise operator is one operation per element, whatever a chip needs for an exponential.
An operator that is not in this table is listed as *uncounted* in every report; it is never taken as zero.
How these numbers are used, and what they leave out: [costs](../concepts/costs.md).

## Operations

| operators | operations | source |
| --- | --- | --- |
"""

_BYTES = """
## Bytes

Every operator reads each of its inputs once and writes each of its outputs once, as with a perfect cache.
That is the least traffic that any kernel has, so it does not depend on a chip.

| operators | difference |
| --- | --- |
| {picks} | read what they pick: at most the size of their outputs |
| GridSample | reads 4 elements per output (8 in 3-D, 1 when nearest), at most the whole image |
| {views} | neither read nor write: the output is the input under another shape |
"""

_MOVEMENT = """
## Movement

What is sorted, scanned, gathered or scattered: elements, and the bytes of the data that is moved.
An element is what moves in one piece, `x` the data, `i` the indices, `y` the output.
An operator that is not in this table moves nothing to or from places that data determine.

| operators | elements |
| --- | --- |
{movement}
## Pieces

Contiguous stretches, or matrices, that an operator works on one at a time; one that is not here has none.

| operators | pieces |
| --- | --- |
{pieces}
## Rates

Nanoseconds on ONNX Runtime, one thread, of the processor that `benchmarks/results/movement.json` names.
The predicted time is the sum of all quantities times these.
See [how far it holds](../concepts/costs.md#does-it-predict-time).

| quantity | ns |
| --- | --- |
{rates}"""


def page() -> str:
    """Return the page as Markdown."""
    formulas = _grouped({name: formula.text for name, formula in FORMULAS.items()})
    lines = [f"| {', '.join(sorted(names))} | {text} | {_source(names)} |\n" for text, names in formulas]
    moves = _grouped({name: rule.text for name, rule in MOVEMENTS.items()})
    pieces = _grouped({name: text for name, (_, text) in PIECES.items()})
    more = _MOVEMENT.format(
        movement="".join(f"| {', '.join(sorted(names))} | {text} |\n" for text, names in moves),
        pieces="".join(f"| {', '.join(sorted(names))} | {text} |\n" for text, names in pieces),
        rates="".join(f"| {name} | {rate:g} |\n" for name, rate in RATES.items()),
    )
    return _HEAD + "".join(lines) + _BYTES.format(picks=_list(PICKS), views=_list(FREE)) + more


def _grouped(texts: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Return the operators of each text, in the order of the texts."""
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(text, []).append(name)
    return sorted(groups.items())


def _source(names: list[str]) -> str:
    """Return where the operators of a row are defined."""
    known = [name for name in names if onnx.defs.has(name)]
    if len(known) == len(names):
        link = f"https://onnx.ai/onnx/operators/onnx__{names[0]}.html"
        return f"[ONNX]({link})" if len(names) == 1 else "[ONNX](https://onnx.ai/onnx/operators/)"
    return "custom operators of exporters, by name" if not known else "ONNX, and custom operators by name"


def _list(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


if __name__ == "__main__":
    sys.stdout.write(page())
