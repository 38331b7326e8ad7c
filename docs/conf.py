"""How Sphinx builds the site: `make docs`, without network, and every warning is an error."""

from __future__ import annotations

import html
import os
import re
from typing import Any

from docutils import nodes

from scatd import __version__

project = "scatd"
author = "scatd developers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_design",
]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build"]
suppress_warnings = [
    "config.cache",  # Sphinx cannot store the functions of this file
]

# Links: every name of scatd must be found. Those of other packages are not: their lists of names
# are on the web, and the site is built without it.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!scatd).*")]

# Markdown
myst_enable_extensions = ["alert", "colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings += ["myst.header"]  # the sections of a command begin below its title

# Docstrings
default_role = "code"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autosummary_generate = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Returns"]  # sentences, not types

# Notebooks: run at every build. An error in one of them is a warning, which ends `make docs`.
nb_execution_mode = "force"
nb_execution_show_tb = True
nb_execution_timeout = 1800  # a second can be long where many programs share a processor
nb_merge_streams = True

# Pages
html_theme = "sphinx_book_theme"
html_title = f"scatd {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "navbar_persistent": [],
    "pygments_light_style": "default",
}

# Files of the repository that are a page here under another name.
BESIDE = {"../README.md": "index.md", "../CONTRIBUTING.md": "contributing.md"}
BESIDE["../CHANGELOG.md"] = "changelog.md"


def lead_to_pages(_app: Any, name: str, source: list[str]) -> None:
    """Let links to files above `docs/` lead to their pages."""
    up = "../" * name.count("/")
    for file, page in BESIDE.items():
        source[0] = source[0].replace(f"]({up}{file}", f"]({up}{page}")


def draw_stacks(_app: Any, tree: nodes.document) -> None:
    """Draw a Mermaid flow chart of boxes above each other as a list: Mermaid itself is a program.

    It would have to come from the web, or lie in the repository.
    """
    for block in tree.findall(nodes.literal_block):
        if block.get("language") != "mermaid":
            continue
        boxes = re.findall(r'\w+\["<b>(.*?)</b><br/>(.*?)"\]', block.astext())
        items = "".join(
            f"<li><b>{html.escape(title)}</b><span>{html.escape(names)}</span></li>"
            for title, names in (map(in_a_line, box) for box in boxes)
        )
        drawn = f'<ol class="stack">{items}</ol>'
        block.replace_self(nodes.raw("", drawn, format="html"))


def examples_as_code(_app: Any, _command: Any, lines: list[str]) -> None:
    """Show the examples of a command as code: `*` and `--` stay as they are typed."""
    title, *commands = [line.removeprefix("| ").strip() for line in lines if line.strip()] or [""]
    if title.startswith("Example"):
        lines[:] = [title, "", ".. code-block:: sh", "", *(f"   {line}" for line in commands), ""]


def in_a_line(text: str) -> str:
    """Text of a box without its line breaks."""
    return text.replace("<br/>", " ")


def prepare_tutorials(_app: Any) -> None:
    """Let pictures appear in the tutorials, and no store or cache of the user take part."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for variable in ("MLFLOW_TRACKING_URI", "SCATD_CACHE"):
        os.environ.pop(variable, None)


def setup(app: Any) -> None:
    """Connect the functions above."""
    app.connect("builder-inited", prepare_tutorials)
    app.connect("source-read", lead_to_pages)
    app.connect("doctree-read", draw_stacks)
    app.connect("sphinx-click-process-epilog", examples_as_code)
