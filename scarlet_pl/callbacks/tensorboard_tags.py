"""What the numbers of a round are called in TensorBoard, what they are, and which of them its own page shows."""

from __future__ import annotations

from collections.abc import Mapping

_ALL = "of all clients in the round"
_IS = {
    "server/accuracy": "share of the whole test set, 0 to 1, after the round",
    "client/accuracy": "mean over all clients, each on its own test shard, 0 to 1",
    "bytes/cumulative": "bytes, up and down, since the first round",
    "bytes/": f"bytes as sent, {_ALL}",
    "paper_bytes/": f"bytes as the official SCARLET code counts them, {_ALL}",
    "shannon_bytes/": f"bytes: the entropy of the labels if they were independent, {_ALL}",
    "no_cache_bytes/": f"bytes that the same round would have sent without a cache, {_ALL}",
    "no_cache_paper_bytes/": "the same as the official SCARLET code counts them",
    "cache/hits": "drawn public samples whose label was in the cache",
    "cache/requests": "drawn public samples of which labels were requested",
    "cache/hit_rate": "hits / drawn samples, 0 to 1",
    "cache/age": "mean age of the hits' labels, in rounds",
    "clients/": "clients",
    "labels/entropy": "nat, mean over the requested samples",
    "labels/agreement": "share of clients' labels with the same most likely class as their mean, 0 to 1",
    "privacy/epsilon": "ε of all rounds so far",
    "server/distill_loss": "mean over the samples of the round's last pass",
    "over_kb/server_accuracy": "on the whole test set, 0 to 1; the step is kB = 10³ bytes sent so far",
    "over_kb/client_accuracy": "mean over all clients, 0 to 1; the step is kB = 10³ bytes sent so far",
    "server/": "on the whole test set, after the round",
    "client/": "mean over the round's clients",
    "seconds": "wall-clock seconds of the round, without the test of the clients",
    "time/": "simulated seconds",
    "final/accuracy": "after the last round, 0 to 1",
    "final/megabytes": "10⁶ bytes as sent, of all clients and rounds",
    "final/cache_hit_rate": "hits / drawn samples, over all rounds, 0 to 1",
    "final/seconds": "wall-clock seconds of all rounds, without the tests of the clients",
}
"""By the beginning of a number's name; the first that fits says what it is and in which unit."""

_PAGE = {
    "server accuracy over rounds": "server/accuracy",
    "client accuracy over rounds": "client/accuracy",
    "server accuracy over kilobytes": "over_kb/server_accuracy",
    "client accuracy over kilobytes": "over_kb/client_accuracy",
    "cache hit rate": "cache/hit_rate",
    "bytes up a round": "bytes/up",
    "bytes down a round": "bytes/down",
    "entropy of the labels": "labels/entropy_mean",
    "entropy of the sharpened labels": "labels/entropy_sharpened",
    "seconds a round": "seconds",
}


def tag(name: str) -> str:
    """Accuracies come first: TensorBoard sorts by name."""
    who, _, what = name.rpartition("/")
    if what == "accuracy":
        return f"accuracy/{who}"
    return f"accuracy/{what.removesuffix('_accuracy')}_over_kilobytes" if who == "over_kb" else name


def description(name: str) -> str:
    """What a number is, and its unit; "" of a number that is not ours."""
    return next((text for beginning, text in _IS.items() if name.startswith(beginning)), "")


def page(has: Mapping[str, bool]) -> dict[str, dict[str, list[object]]]:
    """TensorBoard's custom page, a chart for each number: the lines of a chart are runs, which differ in colour, while
    two numbers of one run would not.

    Args:
        has: whether a run has what begins with a name, as "cache/"; it has what is not named.
    """
    shown = {
        title: name for title, name in _PAGE.items() if all(there or not name.startswith(k) for k, there in has.items())
    }
    return {"scarlet_pl": {title: ["Multiline", [f"^{tag(name)}$"]] for title, name in shown.items()}}


def final(summary: Mapping[str, float | None]) -> dict[str, float]:
    """What a run came to, named so that accuracies and megabytes come first: TensorBoard shows five at first."""
    named = {f"final/accuracy_{who}": summary[f"{who}_accuracy"] for who in ("client", "server")}
    for way in ("up", "down"):
        named[f"final/megabytes_{way}"] = (summary[f"bytes_{way}"] or 0) / 1e6
    named |= {f"final/{name}": summary[name] for name in ("cache_hit_rate", "rounds", "seconds")}
    return {name: value for name, value in named.items() if value is not None}
