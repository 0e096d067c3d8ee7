"""`compare`: which runs count, and what they come to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import stdev

import pytest

from scarlet_pl.report.compare import compare
from scarlet_pl.report.runs import dotted, read_run
from scarlet_pl.report.table import spread

from .run_folders import Capture, command, config, part, rows, run_folder
from .test_cli import QUICK, SCARLET, scarlet_pl


def test_a_repeated_run_counts_once(tmp_path: Path, capsys: Capture) -> None:
    first, again = (run_folder(tmp_path / name, config()) for name in ("version_0", "version_1"))
    code, out, said = command(capsys, first, again, "--out", tmp_path / "out")
    assert code == 0
    assert [cells[:2] for cells in rows(out)] == [["scarlet", "1"]]
    assert "±" not in rows(out)[0][3]
    assert said == [f"scarlet-pl: {again} is left out: the same configuration and seed as {first}"]
    assert "1 of 2 runs left out" in out
    written = (tmp_path / "out/compare.md").read_text()
    assert written.startswith(out.rstrip())
    assert f"- {said[0].removeprefix('scarlet-pl: ')}" in written


def test_a_folder_that_is_given_twice_is_one_run(tmp_path: Path, capsys: Capture) -> None:
    folder = run_folder(tmp_path / "run", config())
    for by in ("seed", "run"):
        code, out, said = command(capsys, folder, f"{folder}/", "--by", by)
        assert (code, len(rows(out)), said) == (0, 1, [])


def test_the_mean_is_over_different_seeds(tmp_path: Path, capsys: Capture) -> None:
    finals = (0.5, 0.6, 0.9)
    runs = [run_folder(tmp_path / f"{seed}", config(seed), (0.1, last)) for seed, last in enumerate(finals)]
    runs.append(run_folder(tmp_path / "again", config(2), (0.1, finals[2])))
    cells = rows(command(capsys, *runs)[1])[0]
    assert cells[1:4] == ["3", "2", f"0.67 ± {stdev(finals):.2f}"]


def test_what_changes_no_result_makes_no_other_configuration(tmp_path: Path, capsys: Capture) -> None:
    threads = part("scarlet_pl.executors.Threads", workers=2)
    here = run_folder(tmp_path / "a", config(0))
    elsewhere = {"executor": threads, "data__root": "/there", "trainer__devices": 2}
    there = run_folder(tmp_path / "b", config(1, **elsewhere, data__setting_of_a_later_version=None))
    assert [cells[:2] for cells in rows(command(capsys, here, there)[1])] == [["scarlet", "2"]]


def test_of_repeats_the_finished_one_counts_then_the_longest(tmp_path: Path, capsys: Capture) -> None:
    cut = run_folder(tmp_path / "cut", config(), (0.1, 0.2, 0.3, 0.4), digest=None)
    short = run_folder(tmp_path / "short", config(), (0.1, 0.2))
    whole = run_folder(tmp_path / "whole", config(), (0.1, 0.2, 0.3))
    _, out, said = command(capsys, cut, short, whole)
    assert rows(out)[0][2] == "3"
    assert [line.split()[1] for line in said] == [str(cut), str(short)]
    assert all(line.endswith(f"as {whole}") for line in said)


def test_a_run_that_was_cut_short_is_compared_by_its_rounds(tmp_path: Path, capsys: Capture) -> None:
    cut = run_folder(tmp_path / "cut", config(1), (0.1, 0.2), digest=None)
    assert rows(command(capsys, cut)[1])[0][2] == "2 of 4"
    whole = run_folder(tmp_path / "whole", config(0))
    _, out, said = command(capsys, whole, cut)
    assert rows(out)[0][1:3] == ["2", "2–4 of 4"]
    assert said == ["scarlet-pl: scarlet: its runs have 2 to 4 rounds; the table takes each run's last, lines end at 2"]


def test_rows_of_other_data_are_pointed_out(tmp_path: Path, capsys: Capture) -> None:
    first = run_folder(tmp_path / "a", config())
    other = {"name": "dsfl", "method__aggregator": part("scarlet_pl.methods.ERA", temperature=0.1)}
    alike = run_folder(tmp_path / "b", config(**other))
    assert command(capsys, first, alike)[2] == []
    changed = run_folder(tmp_path / "c", config(**other, data__num_clients=20, data__partition__alpha=1))
    said = "the rows do not differ in their method alone: also in data.partition.alpha, data.num_clients"
    assert command(capsys, first, changed)[2] == [f"scarlet-pl: {said}"]


def test_a_folder_of_runs_names_one(tmp_path: Path, capsys: Capture) -> None:
    folder = run_folder(tmp_path / "version_0", config())
    code, _, said = command(capsys, tmp_path)
    assert code == 2
    assert said == [f"scarlet-pl: RUN: got '{tmp_path}', allowed: the folder of a run, such as {str(folder)!r}"]


def test_a_digest_from_before_a_resume_is_none(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", config())
    assert read_run(folder).digest == "d0"
    with (folder / "rounds.csv").open("a") as file:
        file.write("4,0.7,0.7,0,5,10000,1000,900,100,1000,900,100,0.1,\r\n")
    assert read_run(folder).digest is None


@pytest.mark.parametrize("by", ["seed", "run"])
def test_digests_that_differ_are_warned_of(by: str, tmp_path: Path, capsys: Capture) -> None:
    first = run_folder(tmp_path / "first", config(), digest="d0")
    other = run_folder(tmp_path / "other", config(), digest="d1")
    _, _, said = command(capsys, first, other, run_folder(tmp_path / "seed", config(1), digest="d2"), "--by", by)
    warned = [line for line in said if "another digest" in line]
    assert len(warned) == 1
    assert warned[0].startswith(f"scarlet-pl: {other} ended with another digest than {first}, ")
    assert len(said) == (2 if by == "seed" else 1)


@pytest.mark.parametrize("by", ["seed", "run"])
def test_what_a_stranger_wrote_is_no_command_to_a_terminal(by: str, tmp_path: Path, capsys: Capture) -> None:
    odd = [run_folder(tmp_path / str(i), config(name="\x1b]0;a\x07\ud800", client__models=f"{i}\x1b")) for i in "ab"]
    code, out, said = command(capsys, *odd, "--by", by, "--out", tmp_path / "out")
    assert (code, said) == (0, [])
    assert [cells[0] for cells in rows(out)] == ["?]0;a?? models=a?", "?]0;a?? models=b?"]


def test_megabytes_to_a_target(tmp_path: Path, capsys: Capture) -> None:
    folder = run_folder(tmp_path / "run", config(), labels=999_900)
    assert rows(command(capsys, folder, "--target", 0.5, 0.7)[1])[0][-2:] == ["6.000", "n.a."]


def test_a_mean_has_the_digits_that_its_deviation_allows() -> None:
    assert spread([0.93, 0.95, 0.91]) == "0.930 ± 0.020"
    assert spread([1470.0, 1494.0]) == "1482 ± 17"
    assert spread([0.5]) == "0.5000"
    assert spread([20812.34]) == "20812"
    assert spread([0.9266, 0.9267, 0.9268]) == "0.9267 ± 0.0001"
    assert spread([0.0, 0.0]) == "0 ± 0"
    assert spread([1.25, None]) == "1.250 (1 of 2)"
    assert spread([None]) == "n.a."


def test_compare_starts_without_torch_lightning_or_matplotlib(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", config())
    for arguments in (["--help"], [str(folder)]):
        lines = [
            f"import sys; sys.argv = ['scarlet-pl', 'compare', *{arguments}]",
            "from scarlet_pl.cli import main",
            "try: main()",
            "except SystemExit as end: print(end.code, {'torch', 'lightning', 'matplotlib'} & set(sys.modules))",
        ]
        done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "0 set()", done.stderr


@pytest.mark.slow
def test_compare_of_real_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds, the first of them again from another executor, and clients on their own, of which no server learns."""
    monkeypatch.chdir(tmp_path)
    quick = (*QUICK, "--trainer.max_rounds", "2")
    individual = str(Path(SCARLET).with_name("individual.yaml"))
    for seed, executor in (("0", "Serial"), ("1", "Serial"), ("0", "Threads")):
        flags = ("--seed_everything", seed, "--executor", executor)
        assert scarlet_pl("fit", "--config", SCARLET, *quick, *flags) == 0
    assert scarlet_pl("fit", "--config", individual, *quick) == 0
    folders = sorted(Path("logs").glob("*/version_*"))
    comparison = compare(folders, [0.01, 0.999], over_seeds=True, out=Path("out"))
    text, notes = comparison.text, comparison.notes
    assert notes == ["logs/scarlet/version_2 is left out: the same configuration and seed as logs/scarlet/version_0"]
    alone, scarlet = rows(text)
    assert alone[:5] == ["individual", "1", "2", "n.a.", "n.a."]
    assert scarlet[:3] == ["scarlet", "2", "2"]
    assert "±" in scarlet[3]
    assert float(scarlet[-2].split()[0]) > 0
    assert scarlet[-1] == "n.a."
    names = {path.name for path in Path("out").iterdir()}
    stems = ("accuracy_over_rounds", "accuracy_over_bytes", "client_accuracy", "bytes_by_part")
    assert names == {"compare.md", *(f"{stem}.{kind}" for stem in stems for kind in ("png", "svg"))}
    settings = dotted(read_run(folders[1]).settings)
    assert settings["method.cache.duration"] == 10
    assert not {"seed_everything", "name", "executor.class_path", "data.root"} & set(settings)
