"""`report`: what the page holds, and that nothing of a stranger's run becomes more than text."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from scarlet_pl.cli.report import run

from .run_folders import Capture, config, run_folder

HOSTILE = "</script><script>alert('1')</script>\"'><img src=x onerror=alert(2)> <a href='javascript:alert(3)'>"


class Page(HTMLParser):
    """The elements of a page, the text in them, and what its scripts hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text, self.scripts = set[str](), set[str](), "", list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.cdata_elem:
            self.scripts[-1] += data
        else:
            self.text += data

    @property
    def charts(self) -> list[dict[str, Any]]:
        """What plotly.js is to draw."""
        found: list[dict[str, Any]] = json.loads(self.scripts[0])
        return found

    def names(self) -> set[str]:
        """Of all lines and bars."""
        return {trace["name"] for chart in self.charts for trace in chart["data"]}


def report(tmp_path: Path, *arguments: object) -> Page:
    out = tmp_path / "out" / "report.html"
    assert run(["scarlet-pl", "report", *map(str, arguments), "--out", str(out)]) == 0
    return Page(out.read_text(encoding="utf-8"))


def test_a_page_has_the_table_the_charts_and_the_configurations(tmp_path: Path) -> None:
    seeds = [run_folder(tmp_path / f"{i}", config(i), (0.1, last)) for i, last in enumerate((0.4, 0.6))]
    other = run_folder(tmp_path / "other", config(name="dsfl", method__cache=None), digest="d9")
    page = report(tmp_path, *seeds, other, "--target", 0.35)
    for said in ("0.50 ± 0.14", "MB to 0.35", "d9", "method.cache", "Settings that differ", str(other)):
        assert said in page.text
    assert (other / "config.yaml").read_text() in page.text
    assert {"scarlet", "dsfl", "labels", "frame"} <= page.names()
    scarlet = [trace for trace in page.charts[0]["data"] if trace["name"] == "scarlet"]
    assert [trace["y"] for trace in scarlet if trace.get("mode") == "lines+markers"] == [[0.1, 0.5]]
    assert len(scarlet) == 2  # the mean, and the band of its deviation


def test_what_no_run_has_is_not_drawn_and_said(tmp_path: Path) -> None:
    clients_alone = run_folder(tmp_path / "alone", config(name="individual", method__cache=None), (None, None))
    page = report(tmp_path, clients_alone, run_folder(tmp_path / "run", config()))
    assert "nothing of it was measured: individual" in page.text
    assert "hit rate" not in page.text  # these runs have no such column
    assert "simulated time" not in page.text


def test_a_strangers_run_is_text_alone(tmp_path: Path) -> None:
    """In names, in the configuration, in columns of rounds.csv and in the summary."""
    folder = run_folder(tmp_path / "a <b>'\"", config(name=HOSTILE, server__model=HOSTILE))
    run_folder(tmp_path / "other", config(name=HOSTILE, server__model="cnn"))
    with (folder / "rounds.csv").open(newline="") as file:
        heads, *rows = csv.reader(file)
    with (folder / "rounds.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[*heads, f"bytes/up/{HOSTILE.replace('/', '')}"], *([*row, 7] for row in rows)])
    summary = {"rounds": 4, "digest": [HOSTILE], "commit": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    (folder / "summary.json").write_text(json.dumps(summary))
    page = report(tmp_path, folder, tmp_path / "other")
    plain = [run_folder(tmp_path / name, config(server__model=name)) for name in ("cnn", "mlp")]
    harmless = report(tmp_path, *plain)
    assert page.tags == harmless.tags
    assert page.attributes == harmless.attributes
    assert len(page.scripts) == 3
    assert page.text.count(HOSTILE) >= 5
    assert any(name.startswith(escape(HOSTILE, quote=False)) for name in page.names())
    assert not any("<" in name for name in page.names())


def test_a_browser_may_run_our_scripts_alone_and_load_nothing(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    run(["scarlet-pl", "report", str(run_folder(tmp_path / "run", config())), "--out", str(out)])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', out.read_text())
    assert policy
    directives = dict(each.strip().split(" ", 1) for each in policy[1].split(";"))
    assert directives.pop("default-src") == "'none'"
    assert all(each.startswith("'sha256-") for each in directives["script-src"].split())
    assert "unsafe" not in directives["script-src"]
    assert not any("http" in each for each in directives.values())


def test_text_that_is_no_utf8_is_written_all_the_same(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", config())
    (folder / "summary.json").write_text('{"rounds": 4, "digest": "\\ud800", "commit": "\\udcff"}')
    assert "digest?" in report(tmp_path, folder).text.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "page.txt"), "out: got 'page.txt', allowed: a file that ends in .html"),
        (("--target", "2"), "target: got 2.0, allowed: an accuracy in (0, 1]"),
        (("--out", "/proc/nowhere/report.html"), "out: got '/proc/nowhere/report.html', allowed: a file that can be"),
    ],
)
def test_a_wrong_value_is_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: Capture) -> None:
    folder = run_folder(tmp_path / "run", config())
    assert run(["scarlet-pl", "report", str(folder), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"scarlet-pl: {said}")


def test_without_plotly_the_extra_is_named(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("scarlet_pl.report.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    out = tmp_path / "report.html"
    assert run(["scarlet-pl", "report", str(run_folder(tmp_path / "run", config())), "--out", str(out)]) == 2
    assert "pip install 'scarlet-pl[report]'" in capsys.readouterr().err
    assert not out.exists()


def test_a_report_imports_no_torch(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", config())
    lines = [
        f"import sys; sys.argv = ['scarlet-pl', 'report', {str(folder)!r}, '--out', {str(tmp_path / 'a.html')!r}]",
        "from scarlet_pl.cli import main",
        "try: main()",
        "except SystemExit as end: print(end.code, {'torch', 'lightning', 'matplotlib'} & set(sys.modules))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0 set()", done.stderr


def test_a_setting_is_shown_as_yaml_has_it(tmp_path: Path) -> None:
    folders = [
        run_folder(tmp_path / name, config(client__models=models)) for name, models in (("a", None), ("b", ["x"]))
    ]
    page = report(tmp_path, *folders)
    table = page.text[page.text.index("Settings that differ") :]
    assert re.search(r"client\.models\s*null\s*\[x\]", table), yaml.safe_dump(table)
