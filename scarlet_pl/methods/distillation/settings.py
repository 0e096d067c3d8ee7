"""What both halves of federated distillation are configured with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scarlet_pl.cache.policy import CachePolicy
from scarlet_pl.client.selectors import ClientSelector
from scarlet_pl.errors import require
from scarlet_pl.methods.parts.draws import DrawPolicy
from scarlet_pl.methods.parts.filters import Filter
from scarlet_pl.wire import LabelCodec

_NO_CACHE = CachePolicy(duration=0)


@dataclass(frozen=True)
class Settings:
    """The settings of `Distillation` that server and clients must agree on; it says what they mean."""

    cache: CachePolicy | None
    draw: DrawPolicy
    uplink_codec: LabelCodec
    downlink_codec: LabelCodec
    indices: Literal["explicit", "seeded"]
    client_start: Literal["previous", "common"]
    clients_distill: bool
    selector: ClientSelector | None = None
    filters: tuple[Filter, ...] = ()
    """Of uplinks."""

    def __post_init__(self) -> None:
        for name, base in (("draw", DrawPolicy), ("uplink_codec", LabelCodec), ("downlink_codec", LabelCodec)):
            given = getattr(self, name)
            require(isinstance(given, base), f"method.{name}", given, f"an object of class {base.__name__}")
        for name, known in (("indices", ("explicit", "seeded")), ("client_start", ("previous", "common"))):
            value = getattr(self, name)
            require(value in known, f"method.{name}", value, ", ".join(known))
        ok = self.clients_distill or self.cache is None
        require(ok, "method.cache", self.cache, "null where clients do not distil: they are sent no labels to keep")
        ok = not (self.seeded and self.draw.active)
        require(ok, "method.indices", self.indices, "explicit where the draw depends on the server's model")
        self._check_selector()
        ok = not (self.seeded and self.policy.admission.sees_labels)
        require(ok, "method.indices", self.indices, "explicit where the cache's admission goes by the labels")

    def _check_selector(self) -> None:
        if self.selector is None:
            return
        ok = isinstance(self.selector, ClientSelector)
        require(ok, "method.selector", self.selector, "an object of class ClientSelector, or null")
        require(not self.seeded, "method.indices", self.indices, "explicit with a selector: the server must hear which")

    @property
    def policy(self) -> CachePolicy:
        """The cache's, one that keeps nothing where there is no cache."""
        return self.cache or _NO_CACHE

    @property
    def seeded(self) -> bool:
        """Whether clients derive draws, signals and requests instead of being sent them."""
        return self.indices == "seeded"

    @property
    def dated(self) -> bool:
        """Whether clients must know in which rounds their cached labels were stored."""
        return self.seeded and self.policy.keeps
