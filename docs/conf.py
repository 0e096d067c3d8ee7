"""How Sphinx builds these pages: `sphinx-build -W -n docs docs/_build`."""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

from scarlet_pl import __version__

sys.path.append(str(Path(__file__).parent / "_ext"))

project = "scarlet_pl"
author = copyright = "scarlet_pl contributors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "breaks", "from_code"]
exclude_patterns = ["_build", "_ext"]

html_theme = "furo"
html_title = f"scarlet_pl {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "code"  # docstrings have `names` as Markdown has them
autodoc_inherit_docstrings = False  # Lightning's have roles of their own
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
napoleon_use_ivar = True
napoleon_use_rtype = False
nitpick_ignore_regex = [("py:.*", ".*")]  # types are other packages', whose inventories would need a network


def sentences(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep napoleon from taking the first words of an attribute's docstring for its type, where a colon follows."""
    if what in ("attribute", "property"):
        lines.insert(0, "\\")  # an escaped line end is nothing


def defaults(
    app: object, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """`...` for a default that has no form in code, as a function: Sphinx cannot break such a signature into lines."""
    return signature and re.sub(r"= <.*?>(?=[,)])", "= ...", signature), returns


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", defaults)
    app.connect("autodoc-process-docstring", sentences, priority=400)  # napoleon has 500
