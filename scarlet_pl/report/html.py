"""The report: runs side by side as one HTML file that needs no network.

A run's folder may be a stranger's. Its texts go through the template's escaping, the charts' data are JSON, and the
page's content security policy lets a browser run its own two scripts alone and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from scarlet_pl import __version__
from scarlet_pl.errors import ConfigError
from scarlet_pl.report.charts import charts
from scarlet_pl.report.groups import Group, Groups, read_groups
from scarlet_pl.report.labels import that_differ
from scarlet_pl.report.runs import Run
from scarlet_pl.report.table import check_targets, columns, rows
from scarlet_pl.run_files import CONFIG, commit, replace

_KIND = ".class_path"
_IN_TITLE = 3


def write_report(folders: list[Path], targets: list[float], over_seeds: bool, out: Path) -> list[str]:
    """Write the report of these runs; what a reader must know of them, a line each.

    Args:
        folders, targets, over_seeds: as `compare` takes them.
        out: the file; its folder is made.

    Raises:
        ConfigError: a target is no accuracy, a folder holds no run, a file in it is damaged, or `out` cannot be
            written.
    """
    check_targets(targets)
    found = read_groups(folders, over_seeds)
    text = page(found, targets)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        replace(out, lambda file: file.write(text.encode("utf-8", "replace")))  # names of files need not be UTF-8
    except OSError as error:
        raise ConfigError("out", str(out), f"a file that can be written ({error.strerror or error})") from error
    return found.notes


def page(found: Groups, targets: list[float]) -> str:
    """The whole HTML file."""
    groups = found.groups
    drawn = charts(groups)
    scripts = [get_plotlyjs(), files("scarlet_pl.report").joinpath("page/page.js").read_text(encoding="utf-8")]
    loader = PackageLoader("scarlet_pl.report", "page")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        title=_title(groups),
        runs=sum(len(each.runs) for each in groups),
        heads=columns(groups, targets),
        rows=rows(groups, targets),
        footnote=found.footnote,
        notes=found.notes,
        charts=[asdict(chart) for chart in drawn],
        differences=_differences(groups),
        groups=[{"label": each.label, "runs": [_run(run) for run in each.runs]} for each in groups],
        scripts=[Markup(script) for script in scripts],  # ours and plotly's
        hashes=[_hash(script) for script in scripts],
        versions={"scarlet_pl": __version__, "commit": commit(), "plotly": version("plotly")},
    )


def _title(groups: list[Group]) -> str:
    first = ", ".join(each.label for each in groups[:_IN_TITLE])
    return first if len(groups) <= _IN_TITLE else f"{first} and {len(groups) - _IN_TITLE} more"


def _differences(groups: list[Group]) -> dict[str, Any]:
    """Settings that are not the same in all groups: names, and the values of each group, "" where it has no such."""
    settings = [each.runs[0].settings for each in groups]
    named = [(name.removesuffix(_KIND), [_said(name, each) for each in settings]) for name in that_differ(settings)]
    return {"heads": ["setting", *(each.label for each in groups)], "rows": named}


def _said(name: str, settings: dict[str, Any]) -> str:
    """A value as YAML has it; of a class its name alone."""
    if name not in settings:
        return ""
    value = settings[name]
    if name.endswith(_KIND):
        return str(value).rpartition(".")[2]
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _run(run: Run) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "seed": str(run.seed),
        "rounds": len(run.rows),
        "seconds": f"{run.summary['seconds']:.1f}",
        "digest": "none: it was cut short" if run.digest is None else str(run.digest),
        "commit": run.commit,
        "versions": ", ".join(f"{name} {number}" for name, number in run.versions.items()),
        "config": (run.folder / CONFIG).read_text(encoding="utf-8"),
    }


def _hash(script: str) -> str:
    """As a content security policy names a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
