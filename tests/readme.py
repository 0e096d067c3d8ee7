"""The code blocks of a page. `python tests/readme.py 0` prints the README's first block of bash, for .ci/run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*languages: str, page: Path = README) -> list[tuple[str, str]]:
    """(language, text) of the blocks in these languages, in order."""
    return [(kind, text) for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if kind in languages]


def commands(text: str) -> list[str]:
    """The commands of a block of bash, a line each, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    alone = (" ".join(line.partition(" #")[0].split()) for line in lines if not line.startswith("#"))
    return [line for line in alone if line]


if __name__ == "__main__":
    print(blocks("bash")[int(sys.argv[1])][1])
