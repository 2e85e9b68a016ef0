"""Time several forms of a model on a runtime, side by side, each in a process of its own."""

from specialize.bench.measure import Subject, bench_models
from specialize.bench.report import PARTS, BenchReport, BuildBench, FormTime
from specialize.bench.site import extract_site, extract_sites
from specialize.evidence.spread import Spread

__all__ = [
    "PARTS",
    "BenchReport",
    "BuildBench",
    "FormTime",
    "Spread",
    "Subject",
    "bench_models",
    "extract_site",
    "extract_sites",
]
