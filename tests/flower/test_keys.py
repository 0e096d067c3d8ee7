"""TLS and registered nodes, and who is refused."""

from __future__ import annotations

import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scarlet_pl.errors import ConfigError
from scarlet_pl.flower.direct import attend
from scarlet_pl.flower.keys import make_keys, read_key
from scarlet_pl.flower.link import Link
from tests.flower.apps import Run, start_node


def test_private_files_are_private_and_nothing_is_overwritten(tmp_path: Path) -> None:
    made = make_keys(tmp_path / "keys", ["localhost", "127.0.0.1"], ["a", "b"])
    private = {path.name for path in made if stat.S_IMODE(path.stat().st_mode) == 0o600}
    assert {path.name for path in made} == {"ca.crt", "server.crt", "server.key", "a.key", "a.pub", "b.key", "b.pub"}
    assert private == {"server.key", "a.key", "b.key"}
    before = {path: path.read_bytes() for path in made}
    with pytest.raises(ConfigError, match=r"ca\.crt.*no key is overwritten"):
        make_keys(tmp_path / "keys", ["localhost"], ["c"])
    assert {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == before


@pytest.mark.parametrize("names", [["../a"], ["ca"], [""], ["a", "a"], ["a b"], ["."]])
def test_names_that_are_none_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ConfigError, match="names"):
        make_keys(tmp_path / "keys", ["localhost"], names)
    assert not (tmp_path / "keys").exists()


def test_a_key_is_read_or_refused(tmp_path: Path) -> None:
    make_keys(tmp_path, ["localhost"], ["a"])
    assert read_key(tmp_path / "a.key").curve.name == "secp384r1"
    for name in ("a.pub", "ca.crt", "none"):
        with pytest.raises(ConfigError, match=r"key: got .*an SSH key"):
            read_key(tmp_path / name)


def refused(address: str, ca: Path | None, key: Path | None) -> str:
    """In which line a node is refused."""
    certificates = None if ca is None else ca.read_bytes()
    with pytest.raises(ConfigError) as error:
        attend(address, bytes, root_certificates=certificates, key=key, stop=threading.Event())
    return str(error.value)


@pytest.mark.slow
@pytest.mark.full
def test_registered_nodes_answer_over_tls_and_others_are_refused(tmp_path: Path) -> None:
    keys, other = tmp_path / "keys", tmp_path / "other"
    make_keys(keys, ["127.0.0.1"], ["a", "b", "unregistered"])
    make_keys(other, ["127.0.0.1"], [])
    with Link(tmp_path / "link", tls=keys, registered_only=True) as link, ThreadPoolExecutor() as threads:
        for name in ("a", "b", "b"):  # twice is as good as once
            link.register(keys / f"{name}.pub", name)
        tries = [
            threads.submit(refused, link.address, ca, key)
            for ca, key in (
                (keys / "ca.crt", keys / "unregistered.key"),
                (keys / "ca.crt", None),
                (None, None),
                (other / "ca.crt", keys / "a.key"),
            )
        ]
        nodes = [start_node(link, name, str(keys / "ca.crt"), str(keys / f"{name}.key")) for name in ("a", "b")]
        run = Run(link, tmp_path / "run", nodes=2, requests=["hello", f"stuck {tmp_path / 'flag'}"])
        free = run.wait_for("answer", 3)[2]["answer"]
        stuck, name = next((node, name) for node, name in zip(nodes, "ab", strict=True) if node.pid != free)
        stuck.kill()
        stuck.wait()
        start_node(link, name, str(keys / "ca.crt"), str(keys / f"{name}.key"))  # let in at once, under its number
        assert run.end() == "finished:completed"
        assert [name for _, name, _ in run.facts("nodes")[0]["nodes"]] in (["a", "b"], ["b", "a"])
        sent = [sorted(fact["sent"]) for fact in run.facts("sent")]
        assert len(sent) == 3
        assert all(each == sent[0] for each in sent)
        lines = [each.result() for each in tries]
    expected = ["registered with the SuperLink", "a registered one", "one without TLS", "root certificates verify"]
    for line, part in zip(lines, expected, strict=True):
        assert part in line
        assert "\n" not in line


@pytest.mark.slow
@pytest.mark.full
def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    good, old = tmp_path / "good", tmp_path / "old"
    make_keys(good, ["127.0.0.1"], ["a"])
    make_keys(old, ["127.0.0.1"], ["a"], days=-1)
    with pytest.raises(ConfigError, match="certificate has expired"), Link(tmp_path / "link", tls=old):
        pass
    with Link(tmp_path / "plain") as link:
        line = refused(link.address, good / "ca.crt", None)
        assert "one that speaks TLS" in line
    shutil.rmtree(old)
