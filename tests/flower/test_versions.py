"""What we use of Flower beside its public interface is still as it was."""

from __future__ import annotations

import inspect
from importlib import metadata
from typing import Any

import pytest
from flwr.app import Message
from flwr.common.constant import HEARTBEAT_MIN_INTERVAL, ErrorCode
from flwr.proto import fleet_pb2, heartbeat_pb2, message_pb2
from flwr.serverapp import Grid
from flwr.superlink.grid import http_grid

from scarlet_pl.errors import ConfigError
from scarlet_pl.flower import fleet, objects
from scarlet_pl.flower.version import require_flower

CALLS = [
    (fleet.FleetHttpClient.from_server_address, "server_address insecure root_certificates interceptors retry_invoker"),
    (fleet.NodeAuthHttpInterceptor, "private_key public_key"),
    (fleet.RuntimeVersionHttpInterceptor, "component_name"),
    (fleet.generate_key_pairs, ""),
    (fleet.public_key_to_bytes, "public_key"),
    (fleet.message_to_proto, "message"),
    (fleet.remove_content_from_message, "message"),
    (fleet.get_all_nested_objects, "obj"),
    (fleet.get_object_tree, "obj"),
    (fleet.iterate_object_tree, "tree"),
    (fleet.no_object_id_recompute, ""),
    (fleet.make_pull_object_fn_protobuf, "pull_object_protobuf node run_id"),
    (fleet.inflate_object_from_contents, "object_id object_contents keep_object_contents objects"),
    (
        objects.pull_objects,
        "object_ids pull_object_fn max_concurrent_pulls max_time max_tries_per_object initial_backoff backoff_cap",
    ),
    (Grid.push_messages, "self messages"),
    (Grid.pull_messages, "self message_ids"),
    (Grid.get_nodes, "self"),
]
FLEET_CALLS = (
    *("RegisterNode", "ActivateNode", "SendNodeHeartbeat", "DeactivateNode", "UnregisterNode"),
    *("PullMessages", "PullObject", "ConfirmMessageReceived", "PushMessages", "PushObject"),
)


@pytest.mark.parametrize(("call", "parameters"), CALLS, ids=lambda each: getattr(each, "__qualname__", None))
def test_signatures(call: Any, parameters: str) -> None:
    assert list(inspect.signature(call).parameters) == parameters.split()


@pytest.mark.parametrize("name", FLEET_CALLS)
def test_the_fleet_api_has_its_calls(name: str) -> None:
    assert list(inspect.signature(getattr(fleet.FleetHttpClient, name)).parameters) == ["self", "request"]


def test_messages_of_the_fleet_api_have_their_fields() -> None:
    fields = {
        fleet_pb2.RegisterNodeFleetRequest: {"public_key"},
        fleet_pb2.ActivateNodeRequest: {"public_key", "heartbeat_interval"},
        fleet_pb2.ActivateNodeResponse: {"node_id"},
        fleet_pb2.PullMessagesResponse: {"messages_list", "message_object_trees"},
        fleet_pb2.PushMessagesRequest: {
            "node",
            "messages_list",
            "message_object_trees",
            "clientapp_runtime_list",
        },
        fleet_pb2.PushMessagesResponse: {"objects_to_push", "session_id"},
        message_pb2.ConfirmMessageReceivedRequest: {"node", "run_id", "message_object_id"},
        message_pb2.PushObjectRequest: {"node", "run_id", "object_id", "object_content", "session_id"},
        heartbeat_pb2.SendNodeHeartbeatRequest: {"node", "heartbeat_interval"},
    }
    for kind, names in fields.items():
        assert names <= set(kind.DESCRIPTOR.fields_by_name), kind.__name__


def test_the_grid_fetches_by_the_function_that_is_replaced() -> None:
    assert "pull_objects" in http_grid.HttpGrid.pull_messages.__code__.co_names
    assert issubclass(http_grid.HttpGrid, Grid)


def test_numbers() -> None:
    assert HEARTBEAT_MIN_INTERVAL <= fleet.HEARTBEAT
    assert ErrorCode.CLIENT_APP_RAISED_EXCEPTION == 2
    assert ErrorCode.NODE_UNAVAILABLE == 5
    assert "reply_to" in inspect.getdoc(Message)  # type: ignore[operator]


@pytest.mark.parametrize("found", ["1.40.3", "1.42.0", "1.4", "2.0.0", None])
def test_other_versions_are_refused_in_a_line(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    def version(name: str) -> str:
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(ConfigError, match=r"flwr: got '(none|[\d.]+)', allowed: .*pip install 'scarlet-pl\[flower\]'"):
        require_flower()


def test_the_installed_version_is_taken() -> None:
    require_flower()
