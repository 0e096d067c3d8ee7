"""`scarlet-pl join`: some clients of a federation on this machine, at a SuperLink elsewhere."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.guard import guarded
from scarlet_pl.cli.parser import fail
from scarlet_pl.cli.settings import ready
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.executors import RunnerSpec, Workers
from scarlet_pl.executors.backend import one_thread
from scarlet_pl.flower.version import require_flower
from scarlet_pl.locks import lock
from scarlet_pl.methods import Population
from scarlet_pl.network.agreement import agreement
from scarlet_pl.network.service import NodeService
from scarlet_pl.node import Node

_PART = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
_SPAN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


def run(argv: list[str]) -> int:
    """`scarlet-pl join …`; the exit code."""
    argv[:2] = [argv[0]]
    return guarded(lambda: _run(argv))


def _run(argv: list[str]) -> None:
    require_flower()
    argv[1:] = ready(argv[1:])
    JoinCLI(run=False)


class JoinCLI(FederatedCLI):
    """Takes the same configuration as `fit`."""

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_default_arguments_to_parser(parser)
        parser.add_argument("--superlink", type=str | None, help="host:port of the SuperLink.")
        parser.add_argument("--socket", type=str | None, help="Instead: a socket for Flower's own SuperNode.")
        text = "This node's: numbers and spans (0,2,5-9), or a share (0/2: the first of two nodes)."
        parser.add_argument("--clients", type=str | None, help=text)
        parser.add_argument("--state", type=str | None, help="Folder for what the clients keep.")
        parser.add_argument("--root_certificates", type=str | None, help="PEM file that verifies the SuperLink.")
        parser.add_argument("--key", type=str | None, help="This node's private key.")
        parser.add_argument("--wait", type=float, default=600.0, help="Seconds for a SuperLink that is away.")
        parser.add_argument("--report_losses", type=bool, default=True, help="Tell the server the training losses.")

    def instantiate_classes(self) -> None:
        settings = self.make_settings()
        one = (settings.superlink is None) != (settings.socket is None)
        require(one, "superlink", settings.superlink, "host:port of a SuperLink, or --socket with a path")
        require(bool(settings.state), "state", settings.state, "a folder for what the clients keep")
        method, seed = settings.method, settings.seed_everything
        require(method.has_clients, "method", type(method).__name__, "a method with clients")
        clients = parse_clients(settings.clients, settings.data.num_clients)
        settings.data.owners = clients if settings.data.own else range(settings.data.num_clients)
        folder = _made(Path(settings.state))
        lock(folder, "state", "a folder that no other node uses")
        data = settings.data.data
        method.setup(Population(seed, data.num_clients, len(data.public), data.num_classes, public=data.public))
        side = method.clients()
        workers = Workers(settings.executor, RunnerSpec(settings.client, data, seed, selector=side.selector))
        gpu = settings.trainer["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        workers.to(torch.device("cuda" if gpu else "cpu"), 1, 1)
        node = Node(workers, side, settings.federation.store)
        agreed = agreement(self._settings(), data)  # of this process as it was found, on a server as well
        _set_flags(settings.trainer)
        service = NodeService(node, clients, folder, agreed, settings.report_losses, _say)
        print(f"clients {', '.join(map(str, clients))}; what they keep is in {folder}", flush=True)
        with one_thread():
            try:
                self._attend(service)
            finally:
                workers.close()

    def _attend(self, service: NodeService) -> None:
        from scarlet_pl.flower.direct import attend
        from scarlet_pl.flower.socket import answer_on

        settings, stop = self.config, threading.Event()

        def handle(request: bytes) -> bytes:
            answer = service.handle(request)
            if service.refused:  # this answer is the last
                stop.set()
            return answer

        if settings.socket is not None:
            answer_on(Path(settings.socket), handle, stop)
        else:
            attend(
                settings.superlink,
                handle,
                root_certificates=_read(settings.root_certificates),
                key=None if settings.key is None else Path(settings.key),
                identity=Path(settings.state) / "node",
                wait=settings.wait,
                stop=stop,
                on_state=_say,
            )
        if service.refused:
            fail(f"the server refuses this node: {service.refused}")


def parse_clients(text: str | None, clients: int) -> list[int]:
    """Which clients a text names, ascending; raises `ConfigError`.

    Args:
        clients: how many there are.
    """
    allowed = f"clients from 0 to {clients - 1}, as in 0,2,5-9, or a share of them, as in 0/2"
    share = _PART.fullmatch(text or "")
    if share:
        number, nodes = int(share[1]), int(share[2])
        require(number < nodes <= clients, "clients", text, allowed)
        return list(range(clients * number // nodes, clients * (number + 1) // nodes))
    spans = [_SPAN.fullmatch(each.strip()) for each in (text or "").split(",")]
    named = [_span(span, clients) for span in spans]
    require(all(named), "clients", text, allowed)
    return sorted({client for span in named for client in span})


def _span(span: re.Match[str] | None, clients: int) -> Sequence[int]:
    """The clients of a span; nobody where it is none, or goes beyond those that there are."""
    if span is None:
        return ()
    first, last = int(span[1]), int(span[2] or span[1])
    return range(first, last + 1) if last < clients else ()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError("state", str(folder), f"a folder that can be made ({error.strerror})") from error
    return folder


def _set_flags(trainer: Mapping[str, Any]) -> None:
    """Torch's flags for this process, as a Trainer sets them where clients are simulated."""
    flags: dict[str, Any] = {name: trainer[name] for name in ("deterministic", "benchmark")}
    for unused in ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"):
        flags[unused] = False
    Trainer(accelerator="cpu", devices=1, plugins=[LightningEnvironment()], **flags)


def _read(path: str | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise ConfigError("root_certificates", path, f"a PEM file ({error.strerror})") from error


def _say(line: str) -> None:
    print(line, flush=True)
