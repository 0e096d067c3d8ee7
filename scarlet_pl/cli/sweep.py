"""`scarlet-pl sweep`: the cells of an experiment, each a run of its own, and what came of them."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch.callbacks import EarlyStopping

from scarlet_pl.cli.cells import Cells
from scarlet_pl.cli.checked import CheckedCLI, checked
from scarlet_pl.cli.guard import guarded
from scarlet_pl.cli.plain import Arguments, check_folder
from scarlet_pl.cli.run_dir import name_from
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.report.runs import changes_results
from scarlet_pl.run_files import HOW_IT_STARTS
from scarlet_pl.shipped import find_config
from scarlet_pl.sweep.experiment import Experiment
from scarlet_pl.sweep.file import read_experiment
from scarlet_pl.sweep.folder import Work, find_folders, identity
from scarlet_pl.sweep.progress import Progress, print_plan
from scarlet_pl.sweep.results import Result, add_results, key, read_results, result
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
        usage="scarlet-pl sweep --config EXPERIMENT --out FOLDER [--jobs N]\n"
        "                        [--shard I/N] [--dry_run] [--show] [--quick]\n"
        "                        [--results FOLDER] [--SETTING VALUE …]",
        description="Runs every cell of an experiment that is not finished, and shows what came of all of them. "
        "Settings on the command line hold for every cell.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", required=True, action="append", metavar="FILE", help="a configuration with a key 'sweep'"
    )
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
    flags = _flags(rest)
    for name, value in flags.items():
        require(name not in HOW_IT_STARTS, name, value, "nothing: a sweep names, starts and resumes its runs itself")
        ok = options.results is None or not changes_results(name)
        require(ok, name, value, "nothing with --results: the rows there are what the experiment's file says")
    experiment = read_experiment(find_config(options.config[0]), options.quick).with_flags(flags)
    check_views(experiment.with_axis(TRIAL, {"0": {}}) if experiment.search else experiment)
    with tempfile.TemporaryDirectory(prefix="scarlet_pl-") as folder:
        base = Path(folder) / f"{experiment.name}.yaml"
        base.write_text(yaml.safe_dump(experiment.base, sort_keys=False, allow_unicode=True))
        config = ["--config", str(base)]
        if experiment.search:
            return _search(experiment, config, options)
        work, read = _plan(experiment, options.out or Path(folder), config)
        first, step = _shard(options.shard)
        if options.dry_run:
            print_plan(work[first::step], [each.megabytes() for each in read[first::step]])
            return []
        failed = _run(experiment, work, work[first::step], options)
    _show(experiment, work, options)
    return failed


def _search(experiment: Experiment, config: list[str], options: Any) -> list[Work]:
    """Trial after trial, each time with what is missing of the trials before; those that failed."""
    allowed = "nothing with sweep.search: what is tried next depends on what came of the last"
    require(not options.dry_run, "dry_run", True, allowed)
    require(options.shard == "1/1", "shard", options.shard, allowed)
    search = read_search(experiment.search)
    experiment.with_flags(search.somewhere)  # do none of them vary in the grid, too?
    somewhere = experiment.with_axis(TRIAL, {"0": search.somewhere}).with_flags(experiment.flags)
    _plan(somewhere, options.out, config)  # are there such settings?
    with closing(Study(search, options.out, options.show)) as study:
        while True:
            trial = None if options.show else study.next()
            tried = experiment.with_axis(TRIAL, study.tried())
            work, _ = _plan(tried, options.out, config)
            failed = _run(tried, work, work, options)
            results = _results(tried, work)
            if trial is None:
                break
            study.tell(trial, results, len(work) // len(tried.axes[TRIAL]))
    _show(tried, work, options)
    print(search.best(tried.axes[TRIAL], results, len(work) // max(len(tried.axes[TRIAL]), 1)))
    return failed


def _flags(rest: list[str]) -> dict[str, str]:
    """Settings on the command line, by dotted name."""
    words = [part for word in rest for part in (word.split("=", 1) if word.startswith("--") else [word])]
    names, values = words[::2], words[1::2]
    ok = len(names) == len(values) and all(name.startswith("--") for name in names)
    require(ok, "sweep", " ".join(rest), "settings as --NAME VALUE")
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def _check(options: Any) -> None:
    require(len(options.config) == 1, "config", ", ".join(options.config), "one experiment")
    require(options.jobs >= 1, "jobs", options.jobs, "an integer >= 1")
    require(options.dry_run or options.out is not None, "out", None, "a folder")
    for name in ("out", "results"):
        check_folder(name, getattr(options, name))
    require(not (options.quick and options.results), "results", str(options.results), "nothing with --quick")


def _plan(experiment: Experiment, out: Path, config: list[str]) -> tuple[list[Work], list[CheckedCLI]]:
    """All cells, and the configuration of each; nothing is written yet."""
    cells = experiment.cells()
    arguments = [[*config, *each.arguments, "--name", name_from(each.name or experiment.name)] for each in cells]
    read = [checked(given, f"{each.label}: ") for each, given in zip(cells, arguments, strict=True)]
    for each in read:
        _check_ends(each.made.trainer)
    configurations = [identity(each.settings) for each in read]
    folders = find_folders(out, [each.label for each in cells], configurations)
    whole = [each.settings for each in read]
    return [Work(*each) for each in zip(cells, arguments, whole, folders, strict=True)], read


def _check_ends(trainer: Any) -> None:
    """Raise `ConfigError` if a cell may end before its last round: it would never be finished."""
    given = trainer.callbacks if isinstance(trainer.callbacks, list) else [trainer.callbacks]
    early = [type(each).__name__ for each in given if isinstance(each, EarlyStopping)]
    require(not early, "trainer.callbacks", ", ".join(early), "callbacks that leave a sweep's cells all their rounds")
    most = trainer.max_time
    require(most is None, "trainer.max_time", most, "null: a sweep may be stopped at any time, and goes on")


def _run(experiment: Experiment, plan: list[Work], mine: list[Work], options: Any) -> list[Work]:
    """Run what is not finished, and write each result as it comes; what failed.

    Args:
        plan: all cells.
        mine: those of this shard.
    """
    if options.show:
        return []
    once = {each.configuration: each for each in mine}  # two cells of one configuration are one run
    waiting = [each for each in once.values() if each.finished is None]
    failed: list[Work] = []
    with closing(Cells(options.jobs)) as cells, Progress(len(once) - len(waiting), waiting) as progress:
        while waiting or cells.running:
            for each in waiting[:]:
                if len(cells.running) < options.jobs and _is_off(cells, each, progress, failed):
                    waiting.remove(each)
            progress.show(cells.running)
            for each, killed_by in cells.ended():
                run = each.finished
                progress.ended(each, run, f"killed by {killed_by}" if killed_by else each.last_line)
                failed += [] if run else [each]
                _add(experiment, plan, [each] if run else [], options)
    return failed


def _is_off(cells: Cells, work: Work, progress: Progress, failed: list[Work]) -> bool:
    """Start a cell; False if another sweep is at it. One that cannot be started goes to those that failed."""
    try:
        return cells.start(work)
    except ConfigError as error:
        progress.ended(work, None, str(error))
        failed.append(work)
        return True


def _show(experiment: Experiment, plan: list[Work], options: Any) -> None:
    """Write the tables and the pictures of what is finished, in this shard and the others."""
    _add(experiment, plan, plan, options)
    planned = {key(experiment.name, each.cell.place, each.cell.seed) for each in plan}
    results = [each for each in read_results(options.out) if each.key in planned]
    print(write_views(experiment, results, options.out))
    print(f"{len(results)} of {len(plan)} cells are finished; tables and pictures in {options.out}")


def _results(experiment: Experiment, work: list[Work]) -> list[Result]:
    """Of the cells that are finished."""
    found = [(each, run) for each in work if (run := each.finished) is not None]
    return [result(experiment.name, each.cell, each.configuration, run) for each, run in found]


def _add(experiment: Experiment, plan: list[Work], work: list[Work], options: Any) -> None:
    """Write the results of what is finished to the sweep's tables, and to those that `--results` names."""
    results = _results(experiment, work)
    add_results(options.out, experiment.name, results, plan)
    if options.results is not None and results:
        add_results(options.results, experiment.name, results, plan)


def _shard(text: str) -> tuple[int, int]:
    """(number of the first cell, step)."""
    first, _, of = text.partition("/")
    ok = first.isdecimal() and of.isdecimal() and 1 <= int(first) <= int(of)
    require(ok, "shard", text, "I/N with 1 <= I <= N, as 2/8")
    return int(first) - 1, int(of)
