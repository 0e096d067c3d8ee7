"""Arguments of the commands that are no runs, without torch and Lightning."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn


class Arguments(argparse.ArgumentParser):
    """Says what is wrong in one line, and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        print(f"scarlet-pl: {message}", file=sys.stderr)
        raise SystemExit(2)
