"""Write the tables of docs/targets.md from what ran and from the toolchains of the targets.

usage: python tools/targets/table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from specialize import targets

ROOT = Path(__file__).resolve().parents[2]
PAGE, RESULTS = ROOT / "docs" / "targets.md", ROOT / "docs" / "targets.json"
WRONG = 0.02
"""An error of this share of the largest number that is expected is no rounding."""


def main() -> None:
    """Replace what stands between the markers."""
    text, results = PAGE.read_text(), json.loads(RESULTS.read_text())
    parts = {
        "toolchains": toolchains(),
        "builds": builds(results.get("builds", {})),
        "compiles": compiles(results.get("site", {})),
        "head": whole(results.get("head", {})),
        "whole": whole(results.get("whole", {})),
        "pooling": pooling(results),
    }
    for name, table in parts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        text = before + start + table + end + rest.split(end)[1]
    PAGE.write_text(text)


def toolchains() -> str:
    """Return one line per target: what it reads, how attention is written, how it is known."""
    lines = ["| target | toolchain | opset | attention | files | known |", "|---|---|---|---|---|---|"]
    for name in targets.TARGETS:
        toolchain = targets.target(name).TOOLCHAIN
        evidence = "; ".join(f"{each.kind}: {each.text}" for each in toolchain.evidence)
        forms = ", ".join((f"**{toolchain.form}**", *toolchain.forms))
        files = ", ".join(f"`{file}`" for file in toolchain.files)
        lines.append(f"| `{name}` | {toolchain.title} | {toolchain.opset} | {forms} | {files} | {evidence} |")
    return "\n".join(lines) + "\n"


def builds(results: dict[str, Any]) -> str:
    """Return one line per target: what a build of the whole detector gave, or what stopped it."""
    lines = [
        "| target | opset | nodes: allowed, CPU, unknown | highest rank | operators of its own | checker of ONNX "
        "| largest difference | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        if not found["built"]:
            lines.append(f"| `{name}` | declined: {_plain(found['message'])} | | | | | | |")
            continue
        nodes = found["nodes"]
        cells = [
            str(found["opset"]),
            f"{nodes['allowed']}{_and(nodes['cpu'], found['cpu'])}{_and(nodes['unknown'], found['unknown'])}",
            str(found["rank"]),
            ", ".join(f"{count} `{operator}`" for operator, count in found["custom"].items()) or "none",
            found["checked"],
            f"{found['difference']:.1e}",
            f"{found['seconds']:.0f}",
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


FEW = 6


def _and(count: int, operators: list[str]) -> str:
    """Return a count and the operators it is of, as a further part of a cell."""
    if not count:
        return ", 0"
    return f", {count} ({', '.join(operators) if len(operators) <= FEW else f'{len(operators)} operators'})"


def compiles(results: dict[str, Any]) -> str:
    """Return one line per toolchain that was asked: the dynamic form, the padded one, the specialized one."""
    lines = [
        "| toolchain | dynamic form | zero-padded: size, compile, error | specialized: size, compile, error |",
        "|---|---|---|---|",
    ]
    for name, forms in results.items():
        cells = [dynamic(forms.get("dynamic", {})), *_both(forms)]
        lines.append(f"| {_version(name, forms)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def whole(results: dict[str, Any]) -> str:
    """Return one line per toolchain that was given the whole detector."""
    lines = [
        "| toolchain | zero-padded: size, compile, error | specialized: size, compile, error |",
        "|---|---|---|",
    ]
    for name, forms in results.items():
        lines.append(f"| {_version(name, forms)} | {' | '.join(_both(forms))} |")
    return "\n".join(lines) + "\n"


VIEW_TRANSFORMS = {"pooling": "BEVFusion's view transform", "bevdet": "BEVDet-R50"}


def pooling(results: dict[str, Any]) -> str:
    """Return one line per view transform and toolchain that was given it."""
    lines = [
        "| model | toolchain | exported | folded: size, compile, error | specialized: size, compile, error |",
        "|---|---|---|---|---|",
    ]
    for section, title in VIEW_TRANSFORMS.items():
        for name, forms in results.get(section, {}).items():
            cells = [numbers(forms.get("exported", {})), *_both(forms)]
            lines.append(f"| {title} | {_version(name, forms)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _both(forms: dict[str, Any]) -> list[str]:
    return [numbers(forms.get(form, {})) for form in ("padded", "specialized")]


def _version(name: str, forms: dict[str, Any]) -> str:
    return next((str(form["version"]) for form in forms.values() if "version" in form), name)


def dynamic(result: dict[str, Any]) -> str:
    """Return whether the data-dependent form was taken, and the toolchain's own words if not."""
    if not result.get("checked"):
        return _plain(result.get("message", "not checked"))
    return "taken" if result["accepted"] else _refusal(result)


def numbers(result: dict[str, Any]) -> str:
    """Return size, time and error of a compiled form."""
    if not result.get("checked"):
        return _plain(result.get("message", "not checked"))
    if not result["accepted"]:
        return _refusal(result)
    memory = f", {result['memory_bytes'] / 1e6:.0f} MB to run" if "memory_bytes" in result else ""
    options = f" with {result['options']}" if "options" in result else ""
    return f"{result['bytes'] / 1e6:.2f} MB{memory}, {result['compile_s']:.1f} s{options}, {_error(result)}"


def _error(result: dict[str, Any]) -> str:
    if "error" not in result:
        stopped = result.get("run", "")
        return f"run: **{stopped}**" if stopped else "not run"
    wrong = " **wrong**" if result["error"] > WRONG * result["largest"] else ""
    return f"{result['error']:.2g} of {result['largest']:.2g}{wrong}"


def _refusal(result: dict[str, Any]) -> str:
    message = _plain(result.get("message", ""))
    return message if message.startswith("no answer") else f'refused: "{message}"'


def _plain(text: str) -> str:
    return text.replace("|", "/")


if __name__ == "__main__":
    main()
