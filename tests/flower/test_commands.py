"""`scarlet-pl rehearse`, `serve` and `join`, as processes: the digest is the simulation's, whatever is killed."""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

import pytest

from scarlet_pl.run_files import read_rounds
from tests.flower.apps import wait_for
from tests.flower.site import CONFIG, Process, Site, simulated, site

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"
SLOW = "--client.epochs", "100"
"""Rounds of a second or more, to kill in."""
DELTA = "--config", str(CONFIGS / "cfd_1_1_delta.yaml"), "--data.num_clients", "4", "--trainer.max_rounds", "3"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the simulation with slow rounds."""
    return simulated(tmp_path_factory.mktemp("simulation") / "run", *SLOW)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--config", CONFIG),
        pytest.param(("--config", CONFIG, "--lane", "supernode"), marks=pytest.mark.full),
        pytest.param(DELTA, marks=pytest.mark.full),
    ],
    ids=["direct", "supernode", "CFD with delta"],
)
def test_a_rehearsal_compares_digests(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with site(tmp_path) as here:
        here.ends(here.start("rehearse", "rehearse", "--nodes", "2", "--out", str(tmp_path / "out"), *arguments), 0)
        assert "the digests are the same" in here.said("rehearse"), here.all_said()
        assert here.pids() == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--client.epoch", "3"), "scarlet-pl: client.epoch: no such option (did you mean 'client.epochs'?)"),
        (("--method", "Centralized"), "scarlet-pl: method: got 'Centralized', allowed: a method with clients"),
        (("--trainer.max_rounds", "0"), "scarlet-pl: trainer.max_rounds: got 0"),
        (("--nodes", "0"), "scarlet-pl: nodes: got 0"),
        (("--nodes", "5"), "scarlet-pl: nodes: got 5"),
    ],
)
def test_a_rehearsal_that_cannot_be_ends_before_nodes_are_started(
    tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    with site(tmp_path) as here:
        out = tmp_path / "out"
        here.ends(here.start("rehearse", "rehearse", "--config", CONFIG, "--out", str(out), *arguments), 2)
        assert here.said("rehearse").splitlines()[-1].startswith(line), here.all_said()
        assert not list(out.glob("node*"))
        assert here.pids() == []


def start_all(here: Site, *arguments: str) -> tuple[Process, Process, Process]:
    """A server and two nodes, after two rounds: the first one's checkpoint is whole."""
    server = here.serve(*SLOW, *arguments)
    nodes = here.join("a", "0/2", *SLOW), here.join("b", "1/2", *SLOW)
    here.wait_for_rounds(2)
    return server, *nodes


def test_a_node_that_is_killed_and_starts_again(tmp_path: Path, reference: str) -> None:
    with site(tmp_path) as here:
        server, a, _ = start_all(here)
        a.kill()
        a.wait()
        here.join("a", "0/2", *SLOW)
        here.ends(server, 0)
        assert here.digest() == reference


@pytest.mark.full
@pytest.mark.parametrize("killed", ["flwr-serverapp", "flower-superlink", "serve"])
def test_a_server_that_is_killed_goes_on(tmp_path: Path, reference: str, killed: str) -> None:
    with site(tmp_path) as here:
        server, *_ = start_all(here)
        process = server.pid if killed == "serve" else here.pids(killed)[0]
        here.kill(process)
        here.ends(server, -9 if killed == "serve" else 1)
        here.only(*here.nodes)
        here.ends(here.serve("--resume", *SLOW), 0)
        assert here.digest() == reference


@pytest.mark.full
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_server_that_is_stopped_goes_on(tmp_path: Path, reference: str, number: signal.Signals, code: int) -> None:
    with site(tmp_path) as here:
        server, *_ = start_all(here)
        server.send_signal(number)
        here.ends(server, code)
        last = here.said("server").splitlines()[-1]
        assert last.startswith(f"scarlet-pl: stopped by {number.name}; go on with the same command"), here.all_said()
        assert last.endswith(f"--run_dir {here.run_dir} --resume")
        here.only(*here.nodes)
        here.ends(here.serve("--resume", *SLOW), 0)
        assert here.digest() == reference
        for node in here.nodes:
            node.send_signal(number)
            here.ends(node, code)
        assert here.pids() == []


@pytest.mark.full
def test_tls_and_keys(tmp_path: Path, reference: str) -> None:
    keys = tmp_path / "keys"
    with site(tmp_path) as here:
        for nodes, folder in ((("a", "b"), keys), (("c",), tmp_path / "others")):
            command = "keys", str(folder), "--hosts", "localhost", "127.0.0.1", "--nodes", *nodes
            here.ends(here.start("keys", *command), 0)
        trusted = "--root_certificates", str(keys / "ca.crt")
        server = here.serve("--tls", str(keys), *SLOW)
        strangers = {
            "without": here.join("without", "0/2", *SLOW, *trusted),
            "unregistered": here.join("unregistered", "0/2", *SLOW, *trusted, "--key", str(tmp_path / "others/c.key")),
            "plain": here.join("plain", "0/2", *SLOW),
        }
        for name, stranger in strangers.items():
            here.ends(stranger, 2)
            assert here.said(name).splitlines()[-1].startswith(("scarlet-pl: key: got", "scarlet-pl: superlink: got"))
        for name, share in (("a", "0/2"), ("b", "1/2")):
            here.join(name, share, *SLOW, *trusted, "--key", str(keys / f"{name}.key"))
        here.ends(server, 0)
        assert here.digest() == reference


@pytest.mark.full
def test_a_node_that_disagrees_is_refused_and_told(tmp_path: Path, reference: str) -> None:
    with site(tmp_path) as here:
        server = here.serve(*SLOW)
        here.join("b", "1/2", *SLOW)
        here.ends(here.join("a", "0/2", "--client.epochs", "3"), 2)
        line = "scarlet-pl: the server refuses this node: client.epochs 100 there, 3 here"
        assert here.said("a").splitlines()[-1] == line
        assert "is refused: client.epochs 3 there, 100 here" in here.said("server")
        here.join("a", "0/2", *SLOW)
        here.ends(server, 0)
        assert here.digest() == reference


@pytest.mark.full
@pytest.mark.parametrize(("on_error", "code"), [("skip", 0), ("fail", 1)])
def test_a_node_that_does_not_come_back(tmp_path: Path, on_error: str, code: int) -> None:
    with site(tmp_path) as here:
        waits = "--federation.on_error", on_error, "--federation.network.deadline", "20"
        server, a, _ = start_all(here, *waits)
        a.kill()
        here.ends(server, code)
        if code:
            last = here.said("server").splitlines()[-1]
            assert last.startswith("scarlet-pl: client "), here.all_said()
            assert f"--run_dir {here.run_dir} --resume" in last
        else:
            failed = [row["failed"] for row in read_rounds(here.run_dir / "rounds.csv")]
            assert len(failed) == 4
            assert "client 0 did not answer" in failed[-1]
            assert "client 1 did not answer" in failed[-1]


@pytest.mark.full
def test_a_rehearsal_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        command = "rehearse", "--config", CONFIG, *SLOW, "--out", str(tmp_path / "out")
        rehearsal = here.start("rehearse", *command)
        here.wait_for((tmp_path / "out/network/rounds.csv").exists, "round")
        rehearsal.send_signal(signal.SIGTERM)
        here.ends(rehearsal, 143)
        assert here.said("rehearse").splitlines()[-1] == "scarlet-pl: stopped by SIGTERM"
        here.only()


@pytest.mark.full
def test_a_rehearsal_whose_node_is_killed_ends_with_a_line(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        command = "rehearse", "--config", CONFIG, *SLOW, "--out", str(tmp_path / "out")
        rehearsal = here.start("rehearse", *command)
        here.wait_for((tmp_path / "out/network/rounds.csv").exists, "round")
        here.kill(here.pids("1/2")[0])
        here.ends(rehearsal, 1)
        line = r"scarlet-pl: node_1 has ended: .+; --out FOLDER keeps its log node_1\.log"
        assert re.fullmatch(line, here.said("rehearse").splitlines()[-1]), here.all_said()
        here.only()


@pytest.mark.full
@pytest.mark.parametrize("seed", range(30))
def test_random_kills(tmp_path: Path, reference: str, seed: int) -> None:
    """Any process, at any time; what started it starts it again."""
    draws = random.Random(seed)
    with site(tmp_path) as here:
        server, *nodes = start_all(here)
        time.sleep(draws.uniform(0, 5))
        victim = draws.choice(here.pids())
        here.kill(victim)
        for name, share, node in zip("ab", ("0/2", "1/2"), nodes, strict=True):
            if node.pid == victim:
                here.join(name, share, *SLOW)
        if victim not in [node.pid for node in nodes]:
            wait_for(lambda: server.poll() is not None)
            if server.returncode:
                here.only(*here.nodes)
                server = here.serve("--resume", *SLOW)
        here.ends(server, 0)
        assert here.digest() == reference
