"""A node of our own: it answers what a server asks, and runs no code that came over the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from flwr.app import Message, RecordDict

from scarlet_pl.errors import ConfigError, WireError, where
from scarlet_pl.flower.answers import ForgottenError, RefusedError, RunOverError, UnreachableError
from scarlet_pl.flower.fleet import HEARTBEAT, Fleet
from scarlet_pl.flower.keys import read_key
from scarlet_pl.flower.records import MESSAGE_TYPE, answer_record, read_request

_AT_ONCE, _SELDOM, _SHARE = 0.2, 2.0, 0.02  # seconds between looks for messages, and of the time since the last one
_BACK_OFF, _LONGEST_BACK_OFF = 0.5, 5.0  # seconds before another try
_FINAL, _FINAL_LATER = 10.0, 60.0  # seconds that a refusal must last, at first, and where the node was let in before

Handle = Callable[[bytes], bytes]
T = TypeVar("T")
_Problems = tuple[type[UnreachableError] | type[RefusedError], ...]


class _StoppedError(Exception):
    """The node is to end."""


def attend(
    address: str,
    handle: Handle,
    *,
    root_certificates: bytes | None = None,
    key: Path | None = None,
    identity: Path | None = None,
    wait: float = 600.0,
    stop: threading.Event,
    on_state: Callable[[str], None] = lambda line: None,
) -> None:
    """Be a node at a SuperLink, and answer what comes, one request at a time, until `stop` is set.

    A SuperLink that is away is waited for, and one that forgot the node is joined anew. It is asked for messages every
    0.2 s while they come, and then less and less often, to once in two seconds.

    Args:
        address: host:port of the SuperLink.
        handle: makes an answer of a request. What it raises is told the server in a line.
        root_certificates: PEM, that verify the SuperLink's certificate; None: no TLS.
        key: the private key that the node is registered by; None: the SuperLink takes everyone.
        identity: a file for the node's number. With it a node with a key that was killed is let in again at once, and
            without it when the SuperLink has missed it, after up to 20 s.
        wait: seconds for a SuperLink that is away.
        stop: ends this, after the request that it is at.
        on_state: is told in a line what happens to the connection.

    Raises:
        ConfigError: the SuperLink refuses the node, or is away for too long.
    """
    private = None if key is None else read_key(key)
    tries = _Tries(address, key, wait, stop, on_state)
    with suppress(_StoppedError):
        while True:
            fleet = Fleet(address, root_certificates, private, _remembered(identity) if private else 0)
            try:
                _live(fleet, handle, tries, identity)
            except ForgottenError:
                on_state(f"the SuperLink at {address} does not know this node, which joins anew")
                stop.wait(_BACK_OFF)
            finally:
                fleet.go()


def _live(fleet: Fleet, handle: Handle, tries: _Tries, identity: Path | None) -> None:
    """Come, answer what comes, and come again where the connection broke."""
    while True:
        tries.until_let_in(fleet.come)
        _remember(identity, fleet.id)
        tries.on_state(f"node {fleet.id} at the SuperLink {fleet.address}")
        with _beating(fleet), suppress(UnreachableError, RefusedError):
            _attend(fleet, handle, tries)


def _attend(fleet: Fleet, handle: Handle, tries: _Tries) -> None:
    """Answer what comes.

    Raises:
        UnreachableError, RefusedError: a message may have been lost.
    """
    last = time.monotonic()
    while True:
        message = _look(fleet, tries)
        if message is None:
            idle = _SHARE * (time.monotonic() - last)
            tries.pause(min(max(idle, _AT_ONCE), _SELDOM))
            continue
        started = time.monotonic()
        content = _answer(message, handle, tries.on_state)
        last = time.monotonic()
        try:
            fleet.answer(message, content, last - started, tries)
        except RunOverError as error:
            tries.on_state(f"an answer is dropped: {error}")


def _look(fleet: Fleet, tries: _Tries) -> Message | None:
    """The next message, if there is one that can be read."""
    try:
        return fleet.look(tries)
    except (UnreachableError, RefusedError, ForgottenError):
        raise
    except RunOverError:
        return None
    except Exception as error:
        tries.on_state(f"a message that cannot be read: {where(error)}")
        return None


def _answer(message: Message, handle: Handle, on_state: Callable[[str], None]) -> RecordDict | str:
    """The answer to a message, or why there is none."""
    try:
        if message.metadata.message_type != MESSAGE_TYPE or not message.has_content():
            raise WireError("not a message of scarlet_pl")
        return answer_record(handle(read_request(message.content)))
    except Exception as error:
        on_state(f"a request failed: {where(error)}")
        return f"{type(error).__name__}: {where(error)}"


@contextmanager
def _beating(fleet: Fleet) -> Iterator[None]:
    """Beats go on in the background, also while a request is worked on."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT / 2):
            with suppress(UnreachableError, ForgottenError, RefusedError, RunOverError):
                fleet.beat()  # what is wrong the node learns where it looks for messages

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@dataclass
class _Tries:
    """Tries again what did not work, for as long as that makes sense.

    Attributes:
        let_in: whether the SuperLink took the node before: then it may be about to start again.
    """

    address: str
    key: Path | None
    wait: float
    stop: threading.Event
    on_state: Callable[[str], None]
    let_in: bool = field(default=False, init=False)

    def until_it_works(self, act: Callable[[], T]) -> T:
        """What `act` returns.

        Raises:
            ConfigError: the SuperLink was away for too long.
        """
        return self._try(act, (UnreachableError,))

    def until_let_in(self, come: Callable[[], None]) -> None:
        """The same for what the SuperLink may refuse.

        Raises:
            ConfigError: it did for too long, or was away.
        """
        self._try(come, (UnreachableError, RefusedError))
        self.let_in = True

    def _try(self, act: Callable[[], T], problems: _Problems) -> T:
        started, refused, delay, said = time.monotonic(), 0.0, _BACK_OFF, ""
        while True:
            try:
                return act()
            except problems as error:
                problem = error
            now = time.monotonic()
            no = isinstance(problem, RefusedError) or (problem.hung_up and not self.let_in)
            refused = (refused or now) if no else 0.0
            self._give_up(problem, now - started, now - refused if no else 0.0)
            if str(problem) != said:
                said = str(problem)
                self.on_state(f"the SuperLink at {self.address}: {said}; tries go on")
            self.pause(delay)
            delay = min(2 * delay, _LONGEST_BACK_OFF)

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            _StoppedError: the node is to end.
        """
        if self.stop.wait(seconds):
            raise _StoppedError

    def _give_up(self, problem: UnreachableError | RefusedError, away: float, refused: float) -> None:
        if refused >= (_FINAL_LATER if self.let_in else _FINAL):
            if isinstance(problem, UnreachableError):
                raise ConfigError("superlink", self.address, f"one without TLS, or root certificates ({problem})")
            value = self.address if problem.field == "superlink" else self.key and str(self.key)
            raise ConfigError(problem.field, value, problem.allowed)
        if away >= self.wait and refused == 0:
            raise ConfigError("superlink", self.address, f"one that answers within {self.wait:g} s ({problem})")


def _remembered(identity: Path | None) -> int:
    """The number that the node had; 0 if nobody knows."""
    text = identity.read_text() if identity is not None and identity.is_file() else ""
    return int(text) if text.strip().isdecimal() else 0


def _remember(identity: Path | None, id: int) -> None:
    if identity is not None:
        identity.write_text(f"{id}\n")
