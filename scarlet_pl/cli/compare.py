"""`scarlet-pl compare RUN…`: tables and pictures from run folders."""

from __future__ import annotations

import sys
from pathlib import Path

from scarlet_pl.cli.plain import Arguments
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.report.compare import compare


def run(argv: list[str]) -> int:
    """`scarlet-pl compare …`; the exit code."""
    parser = Arguments(
        prog="scarlet-pl compare", description="Accuracy and bytes of runs, side by side.", allow_abbrev=False
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument(
        "--target", nargs="+", type=float, default=[], help="server accuracies: megabytes to reach them"
    )
    parser.add_argument(
        "--by",
        choices=("seed", "run"),
        default="seed",
        help="one row a configuration, over its seeds (default), or a run",
    )
    parser.add_argument("--out", type=Path, help="folder for compare.md and the pictures (PNG and SVG)")
    options = parser.parse_args(argv[2:])
    try:
        for target in options.target:
            require(0 < target <= 1, "target", target, "an accuracy in (0, 1]")
        if options.out is not None and options.out.exists() and not options.out.is_dir():
            raise ConfigError("out", str(options.out), "a folder")
        text, notes = compare(options.runs, options.target, options.by == "seed", options.out)
    except ConfigError as error:
        print(f"scarlet-pl: {error}", file=sys.stderr)
        return 2
    print(text)
    for note in notes:
        print(f"scarlet-pl: {note}", file=sys.stderr)
    return 0
