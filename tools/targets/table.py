"""Write the tables of docs/targets.md from what ran and from the profiles of the targets.

usage: python tools/targets/table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from specialize import targets

ROOT = Path(__file__).resolve().parents[2]
PAGE, RESULTS = ROOT / "docs" / "targets.md", ROOT / "docs" / "targets.json"


def main() -> None:
    """Replace what stands between the markers."""
    text = PAGE.read_text()
    parts = {"profiles": profiles(), "compiles": compiles(json.loads(RESULTS.read_text()))}
    for name, table in parts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        text = before + start + table + end + rest.split(end)[1]
    PAGE.write_text(text)


def profiles() -> str:
    """Return one line per target: what it reads, how attention is written, how it is known."""
    lines = ["| target | toolchain | opset | attention | files | known |", "|---|---|---|---|---|---|"]
    for name in targets.TARGETS:
        profile = targets.target(name).PROFILE
        evidence = "; ".join(f"{each.kind}: {each.text}" for each in profile.evidence)
        forms = ", ".join((f"**{profile.form}**", *profile.forms))
        files = ", ".join(f"`{file}`" for file in profile.files)
        lines.append(f"| `{name}` | {profile.title} | {profile.opset} | {forms} | {files} | {evidence} |")
    return "\n".join(lines) + "\n"


def compiles(results: dict[str, Any]) -> str:
    """Return one line per toolchain that was asked: the dynamic form, the padded one, the specialized one."""
    lines = [
        "| toolchain | dynamic form | zero-padded: size, compile, error | specialized: size, compile, error |",
        "|---|---|---|---|",
    ]
    for name, forms in results.items():
        version = next((form["version"] for form in forms.values() if "version" in form), name)
        cells = [
            dynamic(forms.get("dynamic", {})),
            *(numbers(forms.get(form, {})) for form in ("padded", "specialized")),
        ]
        lines.append(f"| {version} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def dynamic(result: dict[str, Any]) -> str:
    """Return whether the data-dependent form was taken, and the toolchain's own words if not."""
    if not result.get("checked"):
        return result.get("message", "not checked")
    return "taken" if result["accepted"] else f'refused: "{result.get("message", "")}"'.replace("|", "/")


def numbers(result: dict[str, Any]) -> str:
    """Return size, time and error of a compiled form."""
    if not result.get("checked"):
        return result.get("message", "not checked")
    if not result["accepted"]:
        return f'refused: "{result.get("message", "")}"'.replace("|", "/")
    error = "not run" if "error" not in result else f"{result['error']:.2g}"
    wrong = " **wrong**" if result.get("error", 0) > 0.02 * result.get("largest", 1) else ""
    return f"{result['bytes'] / 1e6:.2f} MB, {result['compile_s']:.1f} s, {error}{wrong}"


if __name__ == "__main__":
    main()
