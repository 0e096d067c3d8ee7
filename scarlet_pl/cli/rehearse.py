"""`scarlet-pl rehearse`: server and nodes on this machine, and the digest of the simulation beside theirs."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import SUPPRESS
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from scarlet_pl.cli.plain import Arguments, check_folder
from scarlet_pl.cli.submitted import run_on
from scarlet_pl.errors import require
from scarlet_pl.flower.children import Children
from scarlet_pl.flower.link import Link
from scarlet_pl.run_files import FLOWER, ROUNDS, SUMMARY, read_rounds


def rehearse(arguments: list[str], through: Callable[[str], str] = str) -> int:
    """`scarlet-pl rehearse …`; the exit code: 1 where the digests differ.

    Args:
        through: of the SuperLink's address, the one at which a node reaches it.
    """
    text = "Runs a configuration on a network of processes on this machine, and as a simulation; compares the digests."
    parser = Arguments(prog="scarlet-pl rehearse", description=text, allow_abbrev=False)
    parser.add_argument("--nodes", type=int, default=2, help="how many share the clients")
    parser.add_argument("--lane", choices=("direct", "supernode"), default="direct", help="our nodes, or Flower's own")
    parser.add_argument("--out", type=Path, help="folder for both runs, new or empty")
    for ours in ("run_dir", "executor"):
        parser.add_argument(f"--{ours}", help=SUPPRESS)
    options, rest = parser.parse_known_args(arguments)
    for ours in ("run_dir", "executor"):
        given = getattr(options, ours)
        require(given is None, ours, given, "nothing: a rehearsal has both runs in --out, and clients one by one")
    require(options.nodes >= 1, "nodes", options.nodes, "an integer >= 1")
    with tempfile.TemporaryDirectory(prefix="scarlet_pl-") as temporary:
        check_folder("out", options.out)
        out = (options.out or Path(temporary)).absolute()
        require(not out.exists() or not any(out.iterdir()), "out", str(out), "a new or an empty folder")
        out.mkdir(parents=True, exist_ok=True)
        code = _simulate(out / "simulation", rest, options.nodes)
        code = code or _network(out, rest, options.nodes, options.lane, through)
        return code or _compare(out / "simulation", out / "network")


def _simulate(run_dir: Path, arguments: list[str], nodes: int) -> int:
    """The simulation, one client after the other, in a process of its own; what no network could run is refused."""
    print("the simulation", flush=True)
    children = Children()
    log = run_dir.with_suffix(".log")
    command = [sys.executable, "-m", "scarlet_pl.cli.simulated", str(nodes), *arguments]
    child = children.start([*command, "--run_dir", str(run_dir), "--executor", "Serial"], log)
    try:
        code = child.wait()
    finally:
        children.end()
    if code:
        print(_last_line(log), file=sys.stderr)
    return code


def _network(out: Path, arguments: list[str], nodes: int, lane: str, through: Callable[[str], str]) -> int:
    """The same with its clients on so many nodes."""
    run_dir = out / "network"
    print(f"the network: {nodes} nodes", flush=True)
    with Link(run_dir / FLOWER, database=lane == "supernode") as link:
        members = Children({"FLWR_HOME": str(link.folder)})
        try:
            for number in range(nodes):
                _join(members, through(link.address), out, f"{number}/{nodes}", arguments, lane)
            return run_on(link, run_dir, [*arguments, "--run_dir", str(run_dir)], lambda: _ended(members))
        finally:
            members.end()


def _join(members: Children, address: str, out: Path, share: str, arguments: list[str], lane: str) -> None:
    name = f"node_{share.partition('/')[0]}"
    state = out / name
    state.mkdir(mode=0o700)
    where = ["--superlink", address] if lane == "direct" else ["--socket", str(state / "socket")]
    command = ["join", *arguments, *where, "--clients", share, "--state", str(state), "--executor", "Serial"]
    members.start([sys.executable, "-m", "scarlet_pl", *command], out / f"{name}.log")
    if lane == "supernode":
        from scarlet_pl.flower.link import free_port

        api = str(free_port("127.0.0.1"))
        config = f'socket="{state / "socket"}"'
        flags = ["--insecure", "--superlink", address, "--port", api, "--node-config", config]
        members.start(["flower-supernode", *flags], out / f"{name}.supernode.log")


def _ended(members: Children) -> str:
    """The process of a node that has ended, though nobody asked it to, and what it said last; "" while all live."""
    log = next((log for child, log in members.started if child.poll() is not None), None)
    return "" if log is None else f"{log.stem} has ended: {_last_line(log)}; --out FOLDER keeps its log {log.name}"


def _compare(simulation: Path, network: Path) -> int:
    one, other = _end(simulation), _end(network)
    seconds = {folder: _median_seconds(folder) for folder in (simulation, network)}
    for end, folder in ((one, simulation), (other, network)):
        print(f"{folder.name:11} {end['digest']}  median of {seconds[folder]:.2f} s a round")
    print(f"the network takes {seconds[network] - seconds[simulation]:.2f} s a round more")
    sent, ledger = other["network"], (other["bytes_up"] or 0) + (other["bytes_down"] or 0)
    wire = sent["sent_bytes"] + sent["received_bytes"]
    print(f"the method's messages: {ledger:,} bytes; {sent['messages']} requests and their answers: {wire:,} bytes")
    same = one["digest"] == other["digest"]
    print("the digests are the same" if same else "the digests differ")
    return 0 if same else 1


def _median_seconds(run_dir: Path) -> float:
    """Of a round, without the first."""
    rows = read_rounds(run_dir / ROUNDS)
    return median(float(row["seconds"]) for row in rows[1:] or rows)


def _end(run_dir: Path) -> dict[str, Any]:
    end: dict[str, Any] = json.loads((run_dir / SUMMARY).read_text())
    return end


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
