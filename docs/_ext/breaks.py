"""Where a long name in a table may break on a narrow screen (pages.css): after `.`, `_` and `/`, before a capital."""

import re
from typing import Any

from sphinx.application import Sphinx


def may_break(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Put a `<wbr>` (which is not copied) at each such place in the page's inline code."""
    context["body"] = re.sub(r'(?<=<span class="pre">)[^<]+', _with_breaks, context.get("body", ""))


def _with_breaks(code: re.Match[str]) -> str:
    return re.sub(r"(?<=\w[._/])(?=\w)|(?<=[a-z]{4})(?=[A-Z])", "<wbr>", code[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", may_break)
    return {"parallel_read_safe": True}
