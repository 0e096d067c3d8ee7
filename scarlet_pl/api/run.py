"""A run that has ended, or was cut short: its numbers, and what its last checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from scarlet_pl.api.session import in_session
from scarlet_pl.checkpoint import AtomicCheckpointIO
from scarlet_pl.cli.checked import checked
from scarlet_pl.cli.run_dir import checkpoint_to_use, read_config
from scarlet_pl.cli.trust import check_links, check_trusted
from scarlet_pl.client import DiskStore, MemoryStore
from scarlet_pl.errors import ConfigError, require, where
from scarlet_pl.models import ModelSpec, build
from scarlet_pl.report import runs
from scarlet_pl.report.groups import Group
from scarlet_pl.report.summary import as_text, summary_table
from scarlet_pl.run_files import CLIENTS, CONFIG, FAILED, ROUNDS, read_rounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NETWORK = "learner.network."


class CachedLabels(NamedTuple):
    """The server's cache.

    A label that has become too old to be reused stays until its sample is drawn again: with the cache's `duration` D,
    round r reuses those with r - stored <= D.

    Attributes:
        stored: (P,) the round in which each public sample's label was stored, counted from 0; -1 for none.
        labels: (P, N) the labels; NaN where there is none.
    """

    stored: Tensor
    labels: Tensor


@dataclass(frozen=True, repr=False, eq=False)
class Run(runs.Run):
    """A run in its folder; see `load`.

    Attributes:
        folder: where it lies.
        name: what it is called.
        seed: `seed_everything`.
        settings: its configuration by dotted name, without the seed and without what changes no result.
        summary: what it came to: `server_accuracy`, `bytes_up` …, as in summary.json.
        digest: SHA-256 of the final state; None if the run was cut short.
        commit: of scarlet_pl, when it ended; empty if it was cut short.
    """

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """A dictionary a round, the columns of rounds.csv: numbers, None where a round has none, and in `failed` who
        failed and why."""
        return [
            {name: cell if name == FAILED else _number(cell) for name, cell in row.items()}
            for row in read_rounds(self.folder / ROUNDS)
        ]

    def frame(self) -> Any:
        """`rounds` as a pandas data frame, with the round as its index.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        return pandas.DataFrame(self.rounds).set_index("round")

    def plot(self, who: Literal["server", "client"] = "server", over: Literal["rounds", "bytes"] = "rounds") -> Figure:
        """Accuracy of the server's model, or the mean of the clients', over rounds or megabytes."""
        from scarlet_pl.report.plots import accuracy_figure  # matplotlib takes a second to import

        require(who in ("server", "client"), "who", who, "server, client")
        require(over in ("rounds", "bytes"), "over", over, "rounds, bytes")

        return accuracy_figure([Group(self.name, [self])], who, over)

    def server(self, trust_code: bool = False) -> nn.Module:
        """The server's network after the last saved round, in evaluation mode.

        Args:
            trust_code: whether classes may be imported that are not of scarlet_pl, torch or Lightning.

        Raises:
            ValueError: the run's checkpoint or configuration cannot be used here.
        """
        settings = self._settings(trust_code)
        saved = self._checkpoint()["state_dict"].items()
        state = {key.removeprefix(_NETWORK): value for key, value in saved if key.startswith(_NETWORK)}
        return _network("server.model", settings.server.model, settings, state)

    def client(self, number: int, trust_code: bool = False) -> nn.Module:
        """A client's network after the last round that it took part in, in evaluation mode; clients are counted from 0.

        Raises:
            ValueError: there is no such client, it never took part, or keeps no network of its own, as with FedAvg.
        """
        settings = self._settings(trust_code)
        clients = settings.data.num_clients
        ok = isinstance(number, int) and 0 <= number < clients
        require(ok, "client", number, f"a number from 0 to {clients - 1}")
        models = settings.client.architectures
        saved = self._checkpoint()["federation"]["clients"]["states"]
        on_disk = any("slots" in each for each in saved.values())
        store = DiskStore(len(models), self.folder / CLIENTS, True) if on_disk else MemoryStore(len(models))
        store.load_state_dict(saved)
        state = store.get(number)
        if state is None:
            raise ConfigError("client", number, "a client that has taken part and keeps a network of its own")
        return _network("client.models", models[number % len(models)], settings, state)

    def cache(self) -> CachedLabels | None:
        """The server's soft-label cache after the last saved round; None for a method without one.

        Raises:
            ValueError: the run's checkpoint cannot be used here.
        """
        if not any(name.startswith("method.cache.") for name in self.settings):
            return None
        saved = self._checkpoint()["federation"]["method"]["cache"]
        labels = torch.full((len(saved["stored"]), saved["labels"].shape[1]), torch.nan)
        labels[saved["stored"] >= 0] = saved["labels"]
        return CachedLabels(saved["stored"], labels)

    def __str__(self) -> str:
        table = as_text(lambda console: console.print(summary_table(self.summary)))
        return f"{self.name}, seed {self.seed}\n{table}{self.folder}"

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, name={self.name!r}, seed={self.seed}, rounds={len(self.rows)})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> Any:
        """For notebooks."""
        return summary_table(self.summary)._repr_mimebundle_(include or (), exclude or (), **options)

    def _checkpoint(self) -> dict[str, Any]:
        check_links(self.folder)
        return AtomicCheckpointIO().load_checkpoint(checkpoint_to_use(self.folder))

    def _settings(self, trust_code: bool) -> Any:
        with in_session():
            if not trust_code:
                check_trusted(self.folder, read_config(self.folder))
            return checked(["--config", str(self.folder / CONFIG)], "").made


def load(run_dir: str | PathLike[str]) -> Run:
    """The run in a folder.

    Raises:
        ValueError: it holds no run, or a file in it is damaged.
    """
    run = runs.read_run(Path(run_dir))
    return Run(**vars(run))


def _network(field: str, spec: ModelSpec, settings: Any, state: Mapping[str, Tensor]) -> nn.Module:
    """The network that `spec` names, with those of the weights that are its own, in evaluation mode."""
    with isolate_rng():
        network = build(spec, field, settings.data.facts[2])
    try:
        network.load_state_dict({key: state[key] for key in network.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise ConfigError(field, spec, f"the network whose weights are in the checkpoint ({where(error)})") from error
    return network.eval()


def _number(cell: str) -> float | None:
    return None if not cell else int(cell) if cell.lstrip("-").isdigit() else float(cell)
