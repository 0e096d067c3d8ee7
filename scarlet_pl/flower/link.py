"""A SuperLink for a run: started, waited for, given the app, asked for the end, and ended."""

from __future__ import annotations

import errno
import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from scarlet_pl.errors import ConfigError, where
from scarlet_pl.flower.children import Children
from scarlet_pl.flower.keys import CA, CERTIFICATE, SERVER_KEY

_NAME = "run"  # of the connection in Flower's configuration
_LAST_LINES = 5.0  # seconds for what was said before the end
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Link:
    """A SuperLink in a folder of its own, with Flower's configuration (`FLWR_HOME`) and its log.

    Args:
        folder: is made.
        host, port: where it listens; port 0: a free one.
        tls: a folder with `ca.crt`, `server.crt` and `server.key`; None: without TLS. The certificate has to name the
            address at which this machine reaches the SuperLink as well (`make_keys` sees to that).
        registered_only: let in only nodes whose keys are registered; needs TLS.
        database: keep what it knows in a file, so that one that is killed and started again knows its nodes. Without,
            nodes of our own join anew, Flower's SuperNodes end, and messages take about half the time.
        patience: seconds for it to start.

    Attributes:
        process: the SuperLink's.
    """

    process: subprocess.Popen[bytes]

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: Path | None = None,
        registered_only: bool = False,
        database: bool = True,
        patience: float = 120.0,
    ) -> None:
        if registered_only and tls is None:
            raise ConfigError("tls", None, "a folder with certificates, where only registered nodes are let in")
        self.folder, self.host, self.port = folder.absolute(), host, port
        self.tls = None if tls is None else tls.absolute()
        self._registered_only, self._database, self._patience = registered_only, database, patience
        self.children = Children({"FLWR_HOME": str(self.folder)})

    @property
    def address(self) -> str:
        """host:port, as this machine reaches it."""
        host = _ANYWHERE.get(self.host, self.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def log(self) -> Path:
        """What the SuperLink says."""
        return self.folder / "superlink.log"

    def start(self) -> None:
        """Start the SuperLink, and wait until it answers; at the same port, if it ended.

        Raises:
            ConfigError: it ended, or does not answer.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(self.host, self.port)
        self._configure()
        child = self.process = self.children.start(self._command(), self.log)
        end = time.monotonic() + self._patience
        while not self._answers():
            if child.poll() is not None or time.monotonic() > end:
                self.close()
                why = "ended" if child.returncode is not None else f"does not answer within {self._patience:g} s"
                raise ConfigError("superlink", self.address, f"one that starts; this one {why}: {self._last_words()}")
            time.sleep(0.1)

    def register(self, public_key: Path, name: str) -> None:
        """Let the node with this key in, under this name. A key that is registered stays as it is."""
        try:
            self._flwr("supernode", "register", str(public_key), _NAME, "--name", name)
        except RuntimeError as error:
            if "already in use" not in str(error):
                raise

    def submit(self, app: Path, run_config: Mapping[str, str | int | float | bool]) -> int:
        """Run an app.

        Args:
            run_config: in place of what the app has under `[tool.flwr.app.config]`.

        Returns:
            The run's number.
        """
        overrides = self.folder / "run_config.toml"
        overrides.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in run_config.items()))
        arguments = ("--run-config", str(overrides)) if run_config else ()
        return int(self._flwr("run", str(app), _NAME, *arguments)["run-id"])

    def follow(self, run: int, on_line: Callable[[str], None], until: Callable[[], object] = bool) -> None:
        """Give each line that the run logs to `on_line`, in a thread, until it ends.

        Args:
            until: ends it as well, when this is true.
        """
        command = ["flwr", "log", str(run), _NAME, "--stream"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, env=self.children.env, **pipes) as following:
            reader = threading.Thread(target=_each_line, args=(following.stdout, on_line), daemon=True)
            reader.start()
            try:
                while reader.is_alive() and not until():
                    reader.join(0.5)
            finally:
                following.terminate()
                reader.join(_LAST_LINES)

    def status(self, run: int) -> str:
        """Of a run: pending, starting, running, finished:completed, finished:failed or finished:stopped. A server that
        was killed is missed after 60 s.

        Raises:
            RuntimeError: the SuperLink cannot be asked.
        """
        return str(self._flwr("list", _NAME, "--run-id", str(run))["runs"][0]["status"])

    def stop(self, run: int) -> None:
        """Stop a run; one that has ended stays as it is."""
        try:
            self._flwr("stop", str(run), _NAME)
        except RuntimeError:
            if not self.status(run).startswith("finished"):
                raise

    def close(self) -> None:
        """End the SuperLink and everything that it started."""
        self.children.end()

    def __enter__(self) -> Link:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _configure(self) -> None:
        """Flower's configuration: one connection, to this SuperLink."""
        trust = "insecure = true" if self.tls is None else f"root-certificates = {_toml(str(self.tls / CA))}"
        lines = "[superlink]", f'default = "{_NAME}"', f"[superlink.{_NAME}]", f'address = "{self.address}"', trust
        (self.folder / "config.toml").write_text("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        command = ["flower-superlink", "--host", self.host, "--port", str(self.port)]
        command += ["--disable-runtime-dependency-installation"]
        command += ["--database", str(self.folder / "flower.db")] if self._database else []
        if self.tls is None:
            return [*command, "--insecure"]
        files = {"--ssl-ca-certfile": CA, "--ssl-certfile": CERTIFICATE, "--ssl-keyfile": SERVER_KEY}
        command += [part for flag, name in files.items() for part in (flag, str(self.tls / name))]
        return [*command, "--enable-supernode-auth"] if self._registered_only else command

    def _answers(self) -> bool:
        """Whether the SuperLink is well, by its own word."""
        host = _ANYWHERE.get(self.host, self.host)
        if self.tls is None:
            connection = http.client.HTTPConnection(host, self.port, timeout=5)
        else:
            trusted = ssl.create_default_context(cafile=str(self.tls / CA))
            connection = http.client.HTTPSConnection(host, self.port, timeout=5, context=trusted)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise ConfigError("tls", str(self.tls), f"certificates for {host} ({error.verify_message})") from error
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _flwr(self, *arguments: str) -> Any:
        """What a command of Flower's answers.

        Raises:
            RuntimeError: it failed; its words.
        """
        command = ["flwr", *arguments, "--format", "json"]
        done = subprocess.run(command, env=self.children.env, capture_output=True, text=True, check=False)
        said = re.sub(r"\s+", " ", done.stdout + done.stderr).strip()
        try:
            answer = json.loads(done.stdout)
        except ValueError as error:
            raise RuntimeError(f"flwr {arguments[0]}: {said[-500:]}") from error
        if done.returncode or not answer.get("success"):
            raise RuntimeError(f"flwr {arguments[0]}: {answer.get('error-message', said)[-500:]}")
        return answer

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n") if self.log.is_file() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def free_port(host: str, port: int = 0) -> int:
    """A port at which nobody listens now: this one, or any if it is 0.

    Raises:
        ConfigError: this machine does not have the address, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last that listened may linger
        try:
            free.bind((host, port))
        except OSError as error:
            if port and error.errno != errno.EADDRNOTAVAIL:
                raise ConfigError("port", port, f"a port that is free ({where(error)})") from error
            raise ConfigError("host", host, f"an address of this machine ({where(error)})") from error
        return int(free.getsockname()[1])


def _each_line(lines: Iterable[str], on_line: Callable[[str], None]) -> None:
    for line in lines:
        on_line(line.rstrip("\n"))


def _toml(value: str | int | float | bool) -> str:
    """A value as TOML has it: as JSON, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
