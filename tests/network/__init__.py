"""Clients on a network."""
