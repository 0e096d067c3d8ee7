"""Methods: what is asked of whom in a round, what is sent, and what becomes of the answers."""

from scarlet_pl.methods.base import Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.bounds import Centralized, Individual
from scarlet_pl.methods.client_side import ClientSide
from scarlet_pl.methods.distillation import Distillation
from scarlet_pl.methods.fedavg import FedAvg, Fusion
from scarlet_pl.methods.parts.aggregators import ERA, Aggregator, EnhancedERA, Mean
from scarlet_pl.methods.parts.draws import ActiveDraw, DrawPolicy, FixedDraw, UniformDraw
from scarlet_pl.methods.population import Population

__all__ = [
    "ERA",
    "ActiveDraw",
    "Aggregator",
    "Centralized",
    "ClientSide",
    "Distillation",
    "DrawPolicy",
    "EnhancedERA",
    "FedAvg",
    "FixedDraw",
    "Fusion",
    "Individual",
    "Mean",
    "Method",
    "Outcome",
    "Population",
    "RoundPlan",
    "ServerView",
    "UniformDraw",
    "Upload",
]
