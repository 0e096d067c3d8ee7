"""Runs side by side: a Markdown table and, into a folder, pictures. Reads run folders, imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml

from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import CONFIG, HOW_IT_RUNS, ROUNDS, read_rounds, summarise

_NOT_OF_A_METHOD = ("seed_everything", "name", "run_dir", "ckpt_path", "resume", "resume_override", *HOW_IT_RUNS)


@dataclass(frozen=True)
class Run:
    """One run: where it lies, its configuration without the seed, its rounds and what they came to."""

    folder: Path
    name: str
    key: str
    rows: list[dict[str, str]]
    summary: dict[str, Any]

    def series(self, column: str) -> tuple[list[float], list[float]]:
        """(rounds, values) of a column of rounds.csv, where it has one."""
        known = [(float(row["round"]) + 1, float(row[column])) for row in self.rows if row.get(column)]
        return [x for x, _ in known], [y for _, y in known]

    def megabytes_to(self, target: float) -> float | None:
        """10⁶ bytes sent by all, up and down, when the server's accuracy first was `target`; None if it never was."""
        for row in self.rows:
            if row["server/accuracy"] and float(row["server/accuracy"]) >= target:
                return float(row["bytes/cumulative"]) / 1e6
        return None


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, and the label they go by."""

    label: str
    runs: list[Run]

    def mean(self, key: str) -> str:
        """Mean ± standard deviation of a summary's value, as text."""
        return _spread([run.summary[key] for run in self.runs])


def read_run(folder: Path) -> Run:
    """Read a run's folder; `ConfigError` if it is none."""
    try:
        rows = read_rounds(folder / ROUNDS)
        config = yaml.safe_load((folder / CONFIG).read_text())
        summary = summarise(rows)
    except (OSError, KeyError, ValueError, yaml.YAMLError) as error:
        raise ConfigError("RUN", str(folder), f"the folder of a run, with {CONFIG} and {ROUNDS} ({error})") from error
    if not rows or not isinstance(config, dict):
        raise ConfigError("RUN", str(folder), "the folder of a run with at least one finished round")
    settings = {key: value for key, value in config.items() if key not in _NOT_OF_A_METHOD}
    trainer = settings.get("trainer") or {}
    settings["trainer"] = {key: value for key, value in trainer.items() if f"trainer.{key}" not in _NOT_OF_A_METHOD}
    return Run(folder, config.get("name") or folder.name, json.dumps(settings, sort_keys=True), rows, summary)


def group(runs: list[Run], over_seeds: bool) -> list[Group]:
    """Runs of one configuration together, in the order in which they first come; labels are made distinct."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.key if over_seeds else str(run.folder), []).append(run)
    names = [members[0].name for members in found.values()]
    groups = []
    for members in found.values():
        name = members[0].name
        distinct = name if names.count(name) == 1 else f"{name} ({members[0].folder})"
        groups.append(Group(distinct, members))
    return groups


def table(groups: list[Group], targets: list[float]) -> str:
    """The Markdown table: accuracies, megabytes, megabytes to each target; mean ± standard deviation over runs."""
    columns = ["method", "runs", "rounds", "server, last", "server, best", "clients, last", "clients, best"]
    columns += ["MB up", "MB down", *(f"MB to {target:g}" for target in targets)]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * 3 + "---:|" * (len(columns) - 3)]
    accuracies = ("server_accuracy", "server_accuracy_best", "client_accuracy", "client_accuracy_best")
    for each in groups:
        rounds = sorted({run.summary["rounds"] for run in each.runs})
        cells = [each.label, str(len(each.runs)), "–".join(map(str, rounds)), *(each.mean(key) for key in accuracies)]
        for key in ("bytes_up", "bytes_down"):
            cells.append(_spread([run.summary[key] / 1e6 for run in each.runs]))
        cells += [_spread([run.megabytes_to(target) for run in each.runs]) for target in targets]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def compare(folders: list[Path], targets: list[float], over_seeds: bool, out: Path | None) -> str:
    """The table of these runs; written to `out` too, with pictures, if there is one."""
    groups = group([read_run(folder) for folder in folders], over_seeds)
    text = table(groups, targets)
    if out is not None:
        from scarlet_pl.report.plots import draw_all

        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / "compare.md").write_text(text + "\n")
            draw_all(groups, out)
        except OSError as error:
            raise ConfigError("out", str(out), f"a folder that can be written ({error.strerror})") from error
    return text


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "n.a."
    text = f"{fmean(known):.4g}" + (f" ± {stdev(known):.2g}" if len(known) > 1 else "")
    return text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)})"
