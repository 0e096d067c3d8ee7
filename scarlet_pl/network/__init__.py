"""Clients on other machines: nodes that are sent requests and answer them, whatever engine carries both."""
