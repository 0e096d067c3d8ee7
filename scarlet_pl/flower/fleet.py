"""Flower's Fleet API, as a node of our own speaks it: come, look for messages, answer, beat, go.

Everything of flwr that is not its public interface is used here, and `tests/flower/test_versions.py` looks whether it
is still as it was. A node that speaks for itself never asks for the app (the code) of a run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Error, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    RegisterNodeFleetRequest,
    UnregisterNodeFleetRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    inflate_object_from_contents,
)
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import generate_key_pairs, public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from scarlet_pl.errors import WireError
from scarlet_pl.flower.answers import (
    ForgottenError,
    RefusedError,
    RunOverError,
    UnreachableError,
    of_status,
    of_transport,
)
from scarlet_pl.flower.objects import pull_soon

HEARTBEAT = 10.0  # seconds, the least that a SuperLink allows: it takes a node for gone after two without a beat
_CODE_RAISED = 2  # ErrorCode.CLIENT_APP_RAISED_EXCEPTION

T = TypeVar("T")


class Patience(Protocol):
    """How often what finds nobody there is tried again."""

    def until_it_works(self, act: Callable[[], T]) -> T:
        """What `act` returns, as soon as it does not raise `UnreachableError`."""


@dataclass
class Fleet:
    """A node at a SuperLink.

    Args:
        address: host:port.
        root_certificates: PEM, that verify the SuperLink's; None: without TLS.
        key: that is registered there; None: one of its own, where a SuperLink takes everyone.
        id: the node's at the SuperLink, 0 if it does not know it. A node with a key keeps its id.
    """

    address: str
    root_certificates: bytes | None = None
    key: ec.EllipticCurvePrivateKey | None = None
    id: int = 0
    _client: FleetHttpClient = field(init=False, repr=False)
    _public: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._open()

    def come(self) -> None:
        """Be there; or go and be there again: a SuperLink hands out a message once, so whoever sent one that got lost
        has to see that this node came anew."""
        if self.id:
            self._leave()
        elif self.key is None:
            self._register()
        request = ActivateNodeRequest(public_key=self._public, heartbeat_interval=HEARTBEAT)
        try:
            self.id = self._call(self._client.ActivateNode, request).node_id
        except ForgottenError as error:
            raise RefusedError("superlink", "one whose clock agrees with this machine's") from error
        except RefusedError as error:
            if self.id and self.key is None:
                raise ForgottenError from error
            raise

    def beat(self) -> None:
        """Say that the node is still there."""
        self._call(
            self._client.SendNodeHeartbeat, SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT)
        )

    def look(self, patience: Patience) -> Message | None:
        """The next message, if there is one. If no answer comes at the first step one may be lost.

        Raises:
            RunOverError: it was withdrawn.
        """
        found = self._call(self._client.PullMessages, PullMessagesRequest(node=self._node))
        if not found.messages_list:
            return None
        run, tree = found.messages_list[0].metadata.run_id, found.message_object_trees[0]
        pull = make_pull_object_fn_protobuf(partial(self._surely, patience, self._client.PullObject), self._node, run)
        try:
            contents = pull_soon([each.object_id for each in iterate_object_tree(tree)], pull)
        except ObjectPullError as error:
            raise RunOverError(str(error)) from error
        confirm = ConfirmMessageReceivedRequest(node=self._node, run_id=run, message_object_id=tree.object_id)
        self._surely(patience, self._client.ConfirmMessageReceived, confirm)
        message = inflate_object_from_contents(tree.object_id, contents)
        if not isinstance(message, Message):
            raise WireError("a message of another kind")
        message.metadata.__dict__["_message_id"] = tree.object_id
        return message

    def answer(self, message: Message, content: RecordDict | str, seconds: float, patience: Patience) -> None:
        """Answer a message.

        Args:
            content: the answer, or why there is none.
            seconds: that it took.

        Raises:
            RunOverError: nobody takes it.
        """
        if isinstance(content, str):
            reply = Message(Error(_CODE_RAISED, content), reply_to=message)
        else:
            reply = Message(content, reply_to=message)
        try:
            self._push(reply, seconds, patience)
        except RefusedError as error:
            raise RunOverError(f"the SuperLink does not take it: {error}") from error

    def go(self) -> None:
        """Be there no more, as far as the SuperLink can still be told."""
        with suppress(UnreachableError, RefusedError, ForgottenError, RunOverError):
            if self.id:
                self._leave()
            if self.id and self.key is None:
                self._call(self._client.UnregisterNode, UnregisterNodeFleetRequest(node_id=self.id))
        self._client.close()

    def _open(self) -> None:
        private, public = (self.key, self.key.public_key()) if self.key else generate_key_pairs()
        self._public = public_key_to_bytes(public)
        signs: list[ProtobufClientInterceptor] = [
            RuntimeVersionHttpInterceptor(component_name="SuperNode"),
            NodeAuthHttpInterceptor(private, public),
        ]
        plain = self.root_certificates is None
        self._client = FleetHttpClient.from_server_address(self.address, plain, self.root_certificates, signs)

    def _register(self) -> None:
        """Register a key that was made up for this. If no answer comes it may be registered, and is used no more."""
        try:
            self._call(self._client.RegisterNode, RegisterNodeFleetRequest(public_key=self._public))
        except UnreachableError:
            self._client.close()
            self._open()
            raise

    def _leave(self) -> None:
        with suppress(RefusedError, ForgottenError):  # it was not there
            self._call(self._client.DeactivateNode, DeactivateNodeRequest(node_id=self.id))

    @property
    def _node(self) -> Node:
        return Node(node_id=self.id)

    def _push(self, reply: Message, seconds: float, patience: Patience) -> None:
        """Each step until it works: begun anew, a SuperLink that has handed on the first half takes no second."""
        with no_object_id_recompute():
            reply.metadata.__dict__["_message_id"] = reply.object_id
            objects, tree = get_all_nested_objects(reply), get_object_tree(reply)
            request = PushMessagesRequest(
                node=self._node,
                messages_list=[message_to_proto(remove_content_from_message(reply))],
                message_object_trees=[tree],
                clientapp_runtime_list=[seconds],
            )
        said = self._surely(patience, self._client.PushMessages, request)
        for each in said.objects_to_push:
            part = PushObjectRequest(
                node=self._node,
                run_id=reply.metadata.run_id,
                object_id=each,
                object_content=objects[each].deflate(),
                session_id=said.session_id,
            )
            self._surely(patience, self._client.PushObject, part)  # not stored: it was, and the answer got lost

    def _surely(self, patience: Patience, call: Callable[[Any], T], request: Any) -> T:
        return patience.until_it_works(lambda: self._call(call, request))

    def _call(self, call: Callable[[Any], T], request: Any) -> T:
        try:
            return call(request)
        except httpx.TransportError as error:
            raise of_transport(error) from error
        except httpx.HTTPStatusError as error:
            raise of_status(error.response, self.key is not None) from error
