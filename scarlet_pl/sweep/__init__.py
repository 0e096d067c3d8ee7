"""Experiments: a configuration, what varies in it, and what came of it."""
