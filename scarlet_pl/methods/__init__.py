"""Methods: what is asked of whom in a round, what is sent, and what becomes of the answers."""

from scarlet_pl.methods.aggregators import ERA, Aggregator, EnhancedERA, Mean
from scarlet_pl.methods.base import Method, Outcome, Population, RoundPlan, Upload
from scarlet_pl.methods.distillation import Distillation
from scarlet_pl.methods.draws import DrawPolicy, FixedDraw, UniformDraw

__all__ = [
    "ERA",
    "Aggregator",
    "Distillation",
    "DrawPolicy",
    "EnhancedERA",
    "FixedDraw",
    "Mean",
    "Method",
    "Outcome",
    "Population",
    "RoundPlan",
    "UniformDraw",
    "Upload",
]
