"""What a message holds, fetched soon: it is announced before it is sent, and Flower would look again after 1 s."""

from __future__ import annotations

from functools import partial

from flwr.supercore.inflatable.inflatable_utils import pull_objects

pull_soon = partial(pull_objects, initial_backoff=0.02, backoff_cap=1.0)
