"""Every operator with a rule, family by family; what is not here is a source."""

from __future__ import annotations

from specialize.rows.ops import along_features, cumulative, moves, picks, products, sampling, scatter, work

RULES = {
    **moves.RULES,
    **picks.RULES,
    **scatter.RULES,
    **work.RULES,
    **along_features.RULES,
    **products.RULES,
    **sampling.RULES,
    **cumulative.RULES,
}
LIFTS = {name: rule.lift for name, rule in RULES.items()}
EMITS = {name: rule.emit for name, rule in RULES.items() if rule.emit is not None}
