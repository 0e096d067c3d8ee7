"""Methods: what is asked of whom in a round, what is sent, and what becomes of the answers."""

from scarlet_pl.client import ClientSelector
from scarlet_pl.client.outliers import Centroids, KuLSIF
from scarlet_pl.methods.base import Method, Outcome, RoundPlan, ServerView, Upload
from scarlet_pl.methods.bounds import Centralized, Individual
from scarlet_pl.methods.client_side import ClientSide
from scarlet_pl.methods.distillation import ClassDistillation, Distillation
from scarlet_pl.methods.fedavg import FedAvg, Fusion
from scarlet_pl.methods.parts.aggregators import (
    ERA,
    Aggregator,
    Confident,
    Consensus,
    EnhancedERA,
    GeometricMean,
    Mean,
    RobustMean,
    Votes,
)
from scarlet_pl.methods.parts.draws import ActiveDraw, DrawPolicy, FixedDraw, UniformDraw
from scarlet_pl.methods.parts.filters import Filter, Temperature, TopK
from scarlet_pl.methods.parts.models import DirichletModels, GaussianModels, ModelSampler
from scarlet_pl.methods.parts.personal import Clusters, LeaveOneOut
from scarlet_pl.methods.parts.privacy import GaussianNoise
from scarlet_pl.methods.population import Population

__all__ = [
    "ERA",
    "ActiveDraw",
    "Aggregator",
    "Centralized",
    "Centroids",
    "ClassDistillation",
    "ClientSelector",
    "ClientSide",
    "Clusters",
    "Confident",
    "Consensus",
    "DirichletModels",
    "Distillation",
    "DrawPolicy",
    "EnhancedERA",
    "FedAvg",
    "Filter",
    "FixedDraw",
    "Fusion",
    "GaussianModels",
    "GaussianNoise",
    "GeometricMean",
    "Individual",
    "KuLSIF",
    "LeaveOneOut",
    "Mean",
    "Method",
    "ModelSampler",
    "Outcome",
    "Population",
    "RobustMean",
    "RoundPlan",
    "ServerView",
    "Temperature",
    "TopK",
    "UniformDraw",
    "Upload",
    "Votes",
]
