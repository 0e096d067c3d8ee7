"""Clients on other machines: what goes over a network, on whatever engine carries bytes."""

from scarlet_pl.network.agreement import differences
from scarlet_pl.network.config import NetworkConfig
from scarlet_pl.network.mail import Correspondent, Mail, Undelivered
from scarlet_pl.network.service import NodeService
from scarlet_pl.network.transport import NetworkTransport

__all__ = [
    "Correspondent",
    "Mail",
    "NetworkConfig",
    "NetworkTransport",
    "NodeService",
    "Undelivered",
    "differences",
]
