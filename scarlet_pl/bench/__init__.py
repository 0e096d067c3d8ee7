"""Benchmarks: both sides in one go, and the ratio. `python -m scarlet_pl.bench NAME`."""
