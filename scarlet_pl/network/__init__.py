"""Clients on other machines: what goes over a network, on whatever engine carries bytes."""
