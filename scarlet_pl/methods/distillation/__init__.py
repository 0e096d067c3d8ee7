"""Federated distillation: `method` is what is configured, `server` and `client` are its two halves."""

from scarlet_pl.methods.distillation.class_labels import ClassDistillation
from scarlet_pl.methods.distillation.method import Distillation

__all__ = ["ClassDistillation", "Distillation"]
