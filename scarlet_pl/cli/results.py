"""`scarlet-pl results PAGE`: the tables of a page, and pictures, from the results of experiments."""

from __future__ import annotations

from pathlib import Path

from scarlet_pl.cli.plain import Arguments, check_folder, in_one_line
from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import is_file, replace
from scarlet_pl.sweep.page import draw_pictures, filled


@in_one_line
def run(argv: list[str]) -> int:
    """`scarlet-pl results …`; the exit code."""
    text = "Fills the tables of a Markdown page, and draws the pictures, from the results of experiments."
    parser = Arguments(prog="scarlet-pl results", description=text, allow_abbrev=False)
    parser.add_argument("page", type=Path, metavar="PAGE", help="a Markdown file with <!-- table: EXPERIMENT/TABLE -->")
    parser.add_argument(
        "--experiments", type=Path, default=Path("configs/experiments"), help="their files, and results.csv"
    )
    parser.add_argument("--pictures", type=Path, help="folder for the pictures; none are drawn without")
    options = parser.parse_args(argv[2:])
    if not is_file(options.page):
        raise ConfigError("page", str(options.page), "a Markdown file")
    check_folder("pictures", options.pictures)
    page = filled(options.page.read_text(encoding="utf-8"), options.experiments)
    replace(options.page, lambda file: file.write(page.encode()))
    drawn = [] if options.pictures is None else draw_pictures(options.experiments, options.pictures)
    for name in drawn:
        print(options.pictures / f"{name}.png")
    return 0
