"""`scarlet-pl compare RUN…`: tables and pictures from run folders."""

from __future__ import annotations

import sys
from pathlib import Path

from scarlet_pl.cli.plain import RunArguments, check_folder, in_one_line
from scarlet_pl.report.compare import compare


@in_one_line
def run(argv: list[str]) -> int:
    """`scarlet-pl compare …`; the exit code."""
    parser = RunArguments("compare", "Accuracy and bytes of runs, side by side.")
    parser.add_argument("--out", type=Path, help="folder for compare.md and the pictures (PNG and SVG)")
    options = parser.parse_args(argv[2:])
    check_folder("out", options.out)
    comparison = compare(options.runs, options.target, options.by == "seed", options.out)
    print(comparison.text)
    for note in comparison.notes:
        print(f"scarlet-pl: {note}", file=sys.stderr)
    return 0
