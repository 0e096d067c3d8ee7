"""The code blocks of the README. `python tests/readme.py 0` prints the first block of bash, for .ci/run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*languages: str) -> list[tuple[str, str]]:
    """(language, text) of the blocks in these languages, in order."""
    return [(kind, text) for kind, text in _BLOCK.findall(README.read_text(encoding="utf-8")) if kind in languages]


def commands(text: str) -> list[str]:
    """The commands of a block of bash, a line each."""
    lines = text.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and not line.startswith("#")]


if __name__ == "__main__":
    print(blocks("bash")[int(sys.argv[1])][1])
