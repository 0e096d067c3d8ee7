"""Run folders as `fit` leaves them, without a run, and `compare` on them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from scarlet_pl.cli.compare import run

Capture = pytest.CaptureFixture[str]

COLUMNS = (
    *("round", "server/accuracy", "client/accuracy", "cache/hits", "cache/requests", "bytes/cumulative"),
    *("bytes/up", "bytes/up/labels", "bytes/up/frame", "bytes/down", "bytes/down/labels", "bytes/down/frame"),
    *("seconds", "failed"),
)


def config(seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A configuration of SCARLET; changes by dotted name with "__" for each dot."""
    found: dict[str, Any] = {
        "seed_everything": seed,
        "name": "scarlet",
        "run_dir": None,
        "trainer": {"max_rounds": 4, "accelerator": "cpu"},
        "data": {"root": "data", "num_clients": 10, "partition": part("scarlet_pl.data.Dirichlet", alpha=0.3)},
        "client": {"models": "cnn", "optimizer": part("torch.optim.SGD", lr=0.1)},
        "server": {"model": "cnn", "optimizer": part("torch.optim.SGD", lr=0.1)},
        "method": part(
            "scarlet_pl.methods.Distillation",
            aggregator=part("scarlet_pl.methods.EnhancedERA", beta=1.5),
            cache={"duration": 10, "expiry": "paper"},
        ),
        "executor": part("scarlet_pl.executors.Serial"),
    }
    for name, value in changes.items():
        *path, last = name.split("__")
        inner = found
        for key in path:
            inner = inner[key].get("init_args", inner[key])
        inner[last] = value
    return found


def part(name: str, **arguments: Any) -> dict[str, Any]:
    """A class and its arguments, as config.yaml has them."""
    return {"class_path": name, "init_args": arguments}


def run_folder(
    folder: Path,
    settings: dict[str, Any],
    accuracies: tuple[float | None, ...] = (0.1, 0.3, 0.5, 0.6),
    labels: int = 900,
    digest: str | None = "d0",
) -> Path:
    """A run with these server accuracies; `labels` bytes of labels and 100 of frames each round, up and down."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    with (folder / "rounds.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for round, accuracy in enumerate(accuracies):
            known = "" if accuracy is None else accuracy
            sent = (labels + 100, labels, 100)
            writer.writerow((round, known, known, 0, 5, 2 * (round + 1) * sent[0], *sent, *sent, 0.1, ""))
    if digest is not None:
        (folder / "summary.json").write_text(json.dumps({"rounds": len(accuracies), "digest": digest}))
    return folder


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows."""
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def command(capsys: Capture, *arguments: object) -> tuple[int, str, list[str]]:
    """Exit code, output, and the lines of standard error."""
    try:
        code = run(["scarlet-pl", "compare", *map(str, arguments)])
    except SystemExit as stop:
        code = int(stop.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()
