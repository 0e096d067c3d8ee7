"""Availability: who takes part in a round, who never answers, and who answers too late."""

from scarlet_pl.availability.base import Availability, Uniform, Work
from scarlet_pl.availability.clock import Clock
from scarlet_pl.availability.deadline import Deadline, Distribution

__all__ = ["Availability", "Clock", "Deadline", "Distribution", "Uniform", "Work"]
