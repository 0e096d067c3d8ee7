"""`scarlet-pl report RUN…`: runs side by side as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

from scarlet_pl.cli.plain import RunArguments, in_one_line
from scarlet_pl.errors import ConfigError, require

_OF_THE_EXTRA = ("plotly", "jinja2")


@in_one_line
def run(argv: list[str]) -> int:
    """`scarlet-pl report …`; the exit code."""
    parser = RunArguments("report", "Runs side by side as one HTML file that needs no network.")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the file (default: report.html)")
    options = parser.parse_args(argv[2:])
    require(options.out.suffix == ".html", "out", str(options.out), "a file that ends in .html")
    notes = _write(options.runs, options.target, options.by == "seed", options.out)
    for note in notes:
        print(f"scarlet-pl: {note}", file=sys.stderr)
    print(options.out)
    return 0


def _write(runs: list[Path], targets: list[float], over_seeds: bool, out: Path) -> list[str]:
    try:
        from scarlet_pl.report.html import write_report
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_THE_EXTRA:
            raise
        raise ConfigError("plotly", "none", "pip install 'scarlet-pl[report]' (Plotly and Jinja)") from error
    return write_report(runs, targets, over_seeds, out)
