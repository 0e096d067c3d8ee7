"""scarlet_pl: federated distillation on PyTorch Lightning, every byte counted."""

__version__ = "0.1.0"
