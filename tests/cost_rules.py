"""Rules for the costs that a build states, checked on random reports and on every build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter

from msgspec import structs

from specialize.artifact.manifest import Manifest, Site
from specialize.cli.output import to_text
from specialize.cli.render_build import headline, sites_tables
from specialize.cli.schemas.builds import form_of
from specialize.evidence.costs import KINDS, FormCost, FormsReport
from specialize.report.costs import MORE_QUANTITIES, costs_remarks, costs_table

SHOWN = {
    "attention FLOPs": "attention_flops",
    "per row": "per_row_flops",
    "whole-model FLOPs": "model_flops",
    "attention bytes": "attention_bytes",
    "whole-model bytes": "model_bytes",
    "predicted time": "model_predicted_ns",
    **{f"{kind} elements": f"movement.{kind}.elements" for kind in KINDS},
}
"""Rows of the table of forms, and the quantity that each shows."""

_WORDS = r"re-batched|zero-padded|whole-model|cross-attention|boolean-masked"


def violations(manifest: Manifest) -> list[str]:
    """Return what a build states about its costs that cannot be true, in one line each."""
    found = [line for site in manifest.sites for line in _of_a_site(site)]
    found += _of_the_headline(manifest.sites)
    return found + _of_the_forms(manifest) if manifest.flops.forms else found


def told_wrong(costs: FormsReport) -> Iterator[str]:
    """Yield lines of the text and of the page that divide by what is not counted, or call a loss a saving."""
    forms = costs.forms
    text = to_text((costs_table(costs), *costs_remarks(costs)))
    if re.search(r"(?<![\w-])-[\d.]", re.sub(_WORDS, "", text)):
        yield f"a negative number: {text}"
    for line in to_text(costs_table(costs)).splitlines():
        name = next((name for name in SHOWN if line.strip().startswith(name)), "")
        if name and not _is_true(line.rstrip(), forms, SHOWN[name]):
            yield line
    for label, *_, ratio in costs_table(costs, MORE_QUANTITIES).rows:
        if ratio.text.startswith(("0", "-0")) or re.search(r"inf|nan", ratio.text):
            yield f"page: {label.text}: {ratio.text}"


def _of_a_site(site: Site) -> Iterator[str]:
    visible = [camera.visible for camera in site.cameras]
    if site.pairs != sum(visible) or site.longest != max(visible, default=0):
        yield f"{site}: pairs and longest are not those of its cameras"
    if site.rows_computed < site.pairs:
        yield f"{site}: fewer rows are computed than are seen"


def _of_the_headline(sites: tuple[Site, ...]) -> list[str]:
    """Compare the first line with the columns of the table below it."""
    cameras = [site for site in sites if site.kind == "camera"]
    first = headline(sites).splitlines()[0]
    rows = [cell.text for table in sites_tables(sites) for cell in table.rows[-1][1::2]]
    if {f"{site.rows_computed:,}" for site in cameras} != set(rows):
        return [f"the table has rows {rows}, the sites {[site.rows_computed for site in cameras]}"]
    computed = sum(site.rows_computed for site in cameras)
    dense = sum(site.queries * len(site.cameras) for site in cameras)
    ratio = re.match(r"([\d.]+)x fewer camera-query pairs: ([\d,]+) of ([\d,]+) are computed$", first)
    if ratio is None:
        told = "camera-query pairs" in first and "fewer" in first
        return [f"{first}: expected {computed:,} of {dense:,}"] if told or 0 < computed < dense else []
    expected = f"{dense / computed:.2f}", f"{computed:,}", f"{dense:,}"
    wrong = ratio.groups() != expected or float(ratio[1]) < 1.0
    return [f"{first}: expected {expected}"] if wrong else []


def _of_the_forms(manifest: Manifest) -> list[str]:
    forms = manifest.flops.forms
    found = list(told_wrong(manifest.flops))
    computed = sum(site.rows_computed for site in manifest.sites)
    if forms["specialized"].pairs != computed:
        found.append(f"{forms['specialized'].pairs} pairs in the costs, {computed} in the sites")
    for name, form in forms.items():
        for key, value in structs.asdict(form_of(form)).items():
            quantity = f"{key}_flops" if key in ("attention", "model") else key
            if (value is None) != (quantity in forms[name].uncounted):
                found.append(f"{name}: {key} is {value}")
    return found


def counted(form: FormCost, key: str) -> int | None:
    """Return a quantity as it is in the record; None if it leaves nodes out."""
    return None if key.partition(".")[0] in form.uncounted else int(attrgetter(key)(form))


def _is_true(line: str, forms: dict[str, FormCost], key: str) -> bool:
    one, two = (counted(forms[name], key) for name in ("original", "specialized"))
    last = line.split()[-1]
    if one is None or two is None or not one or not two:
        return line.endswith(" -") or one == 0 == two or "x" not in last
    if last == "more":
        return bool(two > one)
    return bool(two <= 1.01 * one) and float(last.removesuffix("x")) >= 1.0
