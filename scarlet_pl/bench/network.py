"""A round on a network of two nodes against the same round in one process, and the bytes that the network adds."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

from scarlet_pl.bench.proxy import Proxy
from scarlet_pl.cli.rehearse import rehearse
from scarlet_pl.run_files import SUMMARY

_ROUNDS, _CLIENTS, _NODES = 12, 4, 2
_FEW = ["--data.num_clients", str(_CLIENTS), "--trainer.max_rounds", str(_ROUNDS)]
_ARGUMENTS = ["--nodes", str(_NODES), *_FEW, "--trainer.eval_clients_every_n_rounds", "0"]


_OF_A_MESSAGE = ("pull-object", "confirm-message-received", "push-messages", "push-object")


def run() -> None:
    """SCARLET on digits by `scarlet-pl rehearse`, one client after the other on either side; once more through a proxy
    that counts."""
    rehearse(_ARGUMENTS)
    message, look = overhead(_ARGUMENTS)
    print(
        f"through a proxy: {message:,.0f} bytes a request and its answer, beside these two; {look:,.0f} a look for one"
    )


def overhead(arguments: list[str]) -> tuple[float, float]:
    """Bytes between nodes and SuperLink beside what requests and answers hold, in a rehearsal with these arguments: for
    a request and its answer, and for a look at whether there is one."""
    proxies: list[Proxy] = []

    def through(address: str) -> str:
        proxies.append(Proxy(address))
        return proxies[-1].address

    with tempfile.TemporaryDirectory(prefix="scarlet_pl-") as out:
        try:
            rehearse([*arguments, "--out", out], through)
        finally:
            for proxy in proxies:
                proxy.close()
        sent = json.loads((Path(out) / "network" / SUMMARY).read_text())["network"]
    size, number = Counter[str](), Counter[str]()
    for proxy in proxies:
        size.update({path.rpartition("/")[2]: count for path, count in proxy.bytes.items()})
        number.update({path.rpartition("/")[2]: count for path, count in proxy.requests.items()})
    messages, look = number["confirm-message-received"], size["pull-messages"] / number["pull-messages"]
    beside = sum(size[each] for each in _OF_A_MESSAGE) - sent["sent_bytes"] - sent["received_bytes"]
    return look + beside / messages, look
