"""`compare` on folders that hold no run, or a damaged one, and on bad arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .run_folders import Capture, command, config, rows, run_folder

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("config.yaml", lambda text: None, "No such file"),
        ("config.yaml", lambda text: b"\xff\xfe" + text, "not UTF-8"),
        ("config.yaml", lambda text: b"- a\n- b\n", "is no mapping of settings"),
        ("config.yaml", lambda text: b"", "is no mapping of settings"),
        ("config.yaml", lambda text: b"a: [1,\n", "while parsing"),
        ("config.yaml", lambda text: BOMB.encode(), ""),
        ("config.yaml", lambda text: b"a: &a [*a]\n", ""),
        ("config.yaml", lambda text: b"[" * 5_000, ""),
        ("config.yaml", lambda text: b"a: !!timestamp noon\n", ""),
        ("rounds.csv", lambda text: None, "No such file"),
        ("rounds.csv", lambda text: b"", "has no finished round"),
        ("rounds.csv", lambda text: text.splitlines(keepends=True)[0], "has no finished round"),
        ("rounds.csv", lambda text: text + b"\xff\xfe", "no table ('utf-8' codec can't decode"),
        ("rounds.csv", lambda text: text[:-20] + b"\r\n", "row 4 has not as many cells as the header"),
        ("rounds.csv", lambda text: text.replace(b"\r\n3,", b"\r\n3,3,"), "row 4 has not as many cells"),
        (
            "rounds.csv",
            lambda text: text.replace(b",0.3,", b",many,"),
            "server/accuracy of round 1 is 'many'",
        ),
        ("rounds.csv", lambda text: text.replace(b",0.3,", b",nan,"), "server/accuracy of round 1 is 'nan', not a"),
        (
            "rounds.csv",
            lambda text: text.replace(b",1000,", b",,", 1),
            "bytes/up of round 0 is '', not a finite number",
        ),
        ("rounds.csv", lambda text: text.replace(b"\r\n1,", b"\r\n2,"), "row 2 is not that of round 1"),
        ("rounds.csv", lambda text: text.replace(b"bytes/up,", b"sent,"), "has no column bytes/up"),
        ("rounds.csv", lambda text: text + b"x" * 200_000, "no table (field larger than field limit"),
        ("summary.json", lambda text: text[:-3], "Unterminated string"),
        ("summary.json", lambda text: b"[]", "is no JSON object"),
        ("summary.json", lambda text: b"[" * 100_000, "maximum recursion depth"),
    ],
)
def test_a_damaged_folder_is_one_line(
    file: str, damage: Callable[[bytes], bytes | None], said: str, tmp_path: Path, capsys: Capture
) -> None:
    whole, folder = run_folder(tmp_path / "whole", config()), run_folder(tmp_path / "run", config(1))
    text = damage((folder / file).read_bytes())
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_bytes(text)
    code, out, lines = command(capsys, whole, folder)
    assert (code, out, len(lines)) == (2, "", 1)
    assert lines[0].startswith(f"scarlet-pl: RUN: got '{folder}', allowed: the folder of a run ({file}: {said}")
    assert len(lines[0]) < 400


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_row_that_is_being_written_does_not_count(cut: int, tmp_path: Path, capsys: Capture) -> None:
    folder = run_folder(tmp_path / "run", config())
    (folder / "rounds.csv").write_bytes((folder / "rounds.csv").read_bytes()[:-cut])
    code, out, _ = command(capsys, folder)
    assert code == 0
    assert rows(out)[0][2] == "3 of 4"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "RUN: got 'nowhere', allowed: the folder of a run (config.yaml: No such file"),
        (["x", "--target", "2"], "target: got 2.0, allowed: an accuracy in (0, 1]"),
        (["x", "--by", "colour"], "argument --by: invalid choice: 'colour'"),
        (["x", "--out", __file__], f"out: got '{__file__}', allowed: a folder"),
        ([], "RUN"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], message: str, capsys: Capture) -> None:
    code, _, lines = command(capsys, *arguments)
    assert (code, len(lines)) == (2, 1)
    assert message in lines[0]
