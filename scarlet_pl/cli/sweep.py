"""`scarlet-pl sweep`: the cells of an experiment, each a run of its own, and what came of them."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from scarlet_pl.cli.cells import Cells, Work
from scarlet_pl.cli.checked import CheckedCLI, checked
from scarlet_pl.cli.guard import guarded
from scarlet_pl.cli.plain import Arguments
from scarlet_pl.errors import require
from scarlet_pl.sweep.experiment import Experiment, read_experiment
from scarlet_pl.sweep.folder import places
from scarlet_pl.sweep.progress import Progress, print_plan
from scarlet_pl.sweep.results import Result, add_results, result
from scarlet_pl.sweep.search import TRIAL, Study, read_search
from scarlet_pl.sweep.views import check_views, write_views


def run(argv: list[str]) -> int:
    """`scarlet-pl sweep …`; the exit code: 1 where a cell failed."""
    options, rest = _arguments(argv[2:])
    torch.set_num_threads(1)
    failed: list[Work] = []
    return guarded(lambda: failed.extend(_sweep(options, rest))) or int(bool(failed))


def _arguments(given: list[str]) -> tuple[Any, list[str]]:
    parser = Arguments(
        prog="scarlet-pl sweep",
        usage="scarlet-pl sweep --config EXPERIMENT --out FOLDER [--jobs N] [--shard I/N] [--dry_run] [--show] "
        "[--quick] [--results FOLDER] [--SETTING VALUE …]",
        description="Runs every cell of an experiment that is not finished, and shows what came of all of them. "
        "Settings on the command line hold for every cell.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="a configuration with a key 'sweep'")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the runs, the tables and the pictures")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cells at once; they share the cores")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="each N-th cell, from the I-th")
    parser.add_argument("--dry_run", action="store_true", help="list the cells and what they will send, and run none")
    parser.add_argument("--show", action="store_true", help="tables and pictures of what is finished, and run none")
    parser.add_argument("--quick", action="store_true", help="small data and few rounds, to see that it works")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="its tables take the results in, too")
    return parser.parse_known_args(given)


def _sweep(options: Any, rest: list[str]) -> list[Work]:
    """Those that failed."""
    _check(options)
    experiment = replace(read_experiment(options.config, options.quick), flags=_flags(rest))
    check_views(experiment.with_axis(TRIAL, {"0": {}}) if experiment.search else experiment)
    with tempfile.TemporaryDirectory(prefix="scarlet_pl-") as folder:
        base = Path(folder) / f"{experiment.name}.yaml"
        base.write_text(yaml.safe_dump(experiment.base, sort_keys=False, allow_unicode=True))
        out, config = options.out or Path(folder), ["--config", str(base)]
        if experiment.search:
            experiment, work, failed = _search(experiment, out, config, options)
        else:
            work, read = _plan(experiment, out, config)
            first, step = _shard(options.shard)
            if options.dry_run:
                print_plan(work[first::step], [each.megabytes() for each in read[first::step]])
                return []
            failed = _run(experiment, work[first::step], options)
    _show(experiment, work, options)
    return failed


def _search(
    experiment: Experiment, out: Path, config: list[str], options: Any
) -> tuple[Experiment, list[Work], list[Work]]:
    """Trial after trial: the experiment with an axis of trials, all cells, and those that failed."""
    allowed = "nothing with sweep.search: what is tried next depends on what came of the last"
    require(not options.dry_run, "dry_run", True, allowed)
    require(options.shard == "1/1", "shard", options.shard, allowed)
    search = read_search(experiment.search)
    middle = {name: each.get("low", each.get("choices", [None])[0]) for name, each in search.space.items()}
    _plan(experiment.with_axis(TRIAL, {"0": middle}), out, config)  # whether there are such settings
    study, failed = Study(search, out / "search.log"), list[Work]()
    while not options.show and (trial := study.next()) is not None:
        number, settings = trial
        work, _ = _plan(experiment.with_axis(TRIAL, {str(number): settings}), out, config)
        failed += _run(experiment, work, options)
        study.tell(number, _results(experiment, work), len(work))
    print(study.best())
    experiment = experiment.with_axis(TRIAL, study.tried())
    return experiment, _plan(experiment, out, config)[0], failed


def _flags(rest: list[str]) -> dict[str, str]:
    """Settings on the command line, by dotted name."""
    words = [part for word in rest for part in (word.split("=", 1) if word.startswith("--") else [word])]
    names, values = words[::2], words[1::2]
    ok = len(names) == len(values) and all(name.startswith("--") for name in names)
    require(ok, "sweep", " ".join(rest), "settings as --NAME VALUE")
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def _check(options: Any) -> None:
    require(options.jobs >= 1, "jobs", options.jobs, "an integer >= 1")
    require(options.dry_run or options.out is not None, "out", None, "a folder")
    for name in ("out", "results"):
        folder = getattr(options, name)
        require(folder is None or folder.is_dir() or not folder.exists(), name, str(folder), "a folder")
    require(not (options.quick and options.results), "results", str(options.results), "nothing with --quick")


def _plan(experiment: Experiment, out: Path, config: list[str]) -> tuple[list[Work], list[CheckedCLI]]:
    """All cells, and the configuration of each; nothing is written yet."""
    cells = experiment.cells()
    arguments = [[*config, *each.arguments, "--name", each.name or experiment.name] for each in cells]
    read = [checked(given, f"{each.label}: ") for each, given in zip(cells, arguments, strict=True)]
    there = places(out, [(each.name, one.settings) for each, one in zip(cells, read, strict=True)])
    rounds = [one.settings["trainer"]["max_rounds"] for one in read]
    return [Work(*each) for each in zip(cells, arguments, rounds, there, strict=True)], read


def _run(experiment: Experiment, work: list[Work], options: Any) -> list[Work]:
    """Run what is not finished, and write each result as it comes; what failed."""
    if options.show:
        return []
    once = {each.place.folder: each for each in work}  # two cells of one configuration are one run
    waiting = [each for each in once.values() if each.place.finished is None]
    failed: list[Work] = []
    with closing(Cells(options.jobs)) as cells, Progress(len(once) - len(waiting), waiting) as progress:
        while waiting or cells.running:
            while waiting and len(cells.running) < options.jobs:
                cells.start(waiting.pop(0))
            progress.show(cells.running)
            for each in cells.ended():
                run = each.place.finished
                progress.ended(each, run)
                if run is None:
                    failed.append(each)
                else:
                    _add([result(experiment.name, each.cell, run)], options)
    return failed


def _results(experiment: Experiment, work: list[Work]) -> list[Result]:
    """Of the cells that are finished, in this shard and the others."""
    runs = [(each.cell, run) for each in work if (run := each.place.finished) is not None]
    return [result(experiment.name, cell, run) for cell, run in runs]


def _show(experiment: Experiment, work: list[Work], options: Any) -> None:
    """Write the tables and the pictures of what is finished."""
    results = _results(experiment, work)
    _add(results, options)
    print(write_views(experiment, results, options.out))
    print(f"{len(results)} of {len(work)} cells are finished; tables and pictures in {options.out}")


def _add(results: list[Result], options: Any) -> None:
    for folder in (options.out, options.results):
        if folder is not None:
            add_results(folder, results)


def _shard(text: str) -> tuple[int, int]:
    """(number of the first cell, step)."""
    first, _, of = text.partition("/")
    ok = first.isdecimal() and of.isdecimal() and 1 <= int(first) <= int(of)
    require(ok, "shard", text, "I/N with 1 <= I <= N, as 2/8")
    return int(first) - 1, int(of)
