"""What goes wrong between a node and a SuperLink, as what a node can do about it."""

from __future__ import annotations

import ssl

import httpx
from flwr.supercore.error import FlowerError


class UnreachableError(Exception):
    """No answer came: the SuperLink is away, or the connection broke.

    Attributes:
        hung_up: somebody is there, and ended the connection without an answer.
    """

    def __init__(self, why: str, hung_up: bool = False) -> None:
        super().__init__(why)
        self.hung_up = hung_up


class RefusedError(Exception):
    """The SuperLink, or TLS, says no.

    Attributes:
        field: the setting that is wrong, "superlink" or "key".
        allowed: what would be right.
    """

    def __init__(self, field: str, allowed: str) -> None:
        super().__init__(allowed)
        self.field, self.allowed = field, allowed


class ForgottenError(Exception):
    """The SuperLink does not know the node."""


class RunOverError(Exception):
    """Nobody waits for an answer."""


def of_transport(error: httpx.TransportError) -> UnreachableError | RefusedError:
    """What it means that no answer came."""
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        why = tls.verify_message.rstrip(".")
        return RefusedError("superlink", f"one whose certificate the root certificates verify ({why})")
    if tls is not None:
        return RefusedError("superlink", f"one that speaks TLS, since root certificates are given ({tls.reason})")
    why = " ".join(str(error).split()) or type(error).__name__
    return UnreachableError(why, isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError)))


def of_status(response: httpx.Response, keyed: bool) -> Exception:
    """What it means that the answer is an error.

    Args:
        keyed: whether the node has a key that somebody may register.
    """
    status, said = response.status_code, FlowerError.from_json(response.text)
    if status == httpx.codes.UNAUTHORIZED:
        return ForgottenError("the SuperLink does not know this node")
    if status == httpx.codes.FORBIDDEN:
        return RunOverError("its run is over")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return UnreachableError(f"HTTP {status}")
    if status != httpx.codes.PRECONDITION_FAILED or said is None:
        return RefusedError("superlink", f"the address of a SuperLink, not one that answers with HTTP {status}")
    why = " ".join(said.message.split()).rstrip(".")
    if keyed:
        allowed = f"one that is registered with the SuperLink, and of no other node that is there ({why})"
        return RefusedError("key", allowed)
    return RefusedError("key", f"a registered one ({why})")


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """The error of TLS that caused this one, if one did."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
