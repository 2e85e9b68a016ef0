"""Plausibility of values: what a bound calibration makes cameras see, judged without any code of the compiler."""

from specialize.plausibility.values import VALUE_RULES, Sight, see_points, values_findings

__all__ = ["VALUE_RULES", "Sight", "see_points", "values_findings"]
