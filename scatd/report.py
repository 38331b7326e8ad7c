"""Self-contained HTML from plain text, tables and figures: a page in a file, or in a notebook.

A page can be mailed, archived and opened without a network: it contains its styles and pictures.
"""

from __future__ import annotations

import base64
import datetime
import math
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scatd import __version__
from scatd.data.files import atomic_path
from scatd.wording import counted

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 200
"""Largest number of table rows on the page; a longer table should be written to a CSV file."""

WIDEST = 9
"""Most columns of a table that an upright sheet of paper holds; others are printed across."""

_PAGE, _NOTEBOOK = "report_template.html", "report_notebook.html"


@dataclass(frozen=True, eq=False)
class Section:
    """One part of a page: a heading, then text, tables and figures, in this order.

    Parameters
    ----------
    title
        Heading, unique in the page.
    text
        Plain paragraphs. Markup in them is shown as text.
    tables
        Tables by caption. Words are aligned left, numbers right. Missing values are empty.
    figures
        PNG files by caption, as `scatd.plots.style.save_figure` writes them.
    tone
        "summary" and "caution" are drawn in a coloured box.
    """

    title: str
    text: Sequence[str] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Path] = field(default_factory=dict)
    tone: Literal["plain", "summary", "caution"] = "plain"


@dataclass(frozen=True, eq=False)
class Page:
    """What a reader sees.

    Parameters
    ----------
    title, subtitle
        Subject of the page, in a few words.
    sections
        In reading order: the most important first.
    footer
        Remarks that apply to the whole page.
    """

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    footer: str = ""


class ShownInNotebook(ABC):
    """A result that a notebook shows as a page."""

    @property
    @abstractmethod
    def headline(self) -> str:
        """The result in a sentence or two; it is what a terminal shows."""

    @abstractmethod
    def page(self, folder: Path) -> Page:
        """The page; its figures are written to `folder`."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.headline}>"

    def _repr_html_(self) -> str:
        with tempfile.TemporaryDirectory(prefix="scatd-") as scratch:
            return _html(_NOTEBOOK, self.page(Path(scratch)))


def write_report(path: Path, page: Page) -> None:
    """Write a page to an `.html` file, completely or not at all.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    text = _html(_PAGE, page)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _html(template: str, page: Page) -> str:
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    from scatd.plots.colours import css_variables

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["picture"] = _data_uri
    scope = ":root" if template == _PAGE else ".scatd-result"
    return environment.get_template(template).render(
        colours=Markup(css_variables(scope)),
        title=page.title,
        subtitle=page.subtitle,
        sections=[_rendered(section) for section in page.sections],
        footer=page.footer,
        made=f"scatd {__version__}, {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
    )


def _rendered(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "text": section.text,
        "tone": section.tone,
        "tables": [_table(caption, frame) for caption, frame in section.tables.items()],
        "figures": list(section.figures.items()),
    }


def _table(caption: str, frame: pd.DataFrame) -> dict[str, Any]:
    shown = frame.head(MAX_ROWS)
    if len(shown) < len(frame):
        caption += f" (the first {counted(len(shown), 'row', of=len(frame))})"
    return {
        "caption": caption,
        "columns": [str(name).replace("_", " ") for name in frame.columns],
        "is_number": [frame.iloc[:, place].dtype.kind in "iuf" for place in range(frame.shape[1])],
        "is_wide": frame.shape[1] > WIDEST,
        "rows": [[_cell(value) for value in row] for row in shown.itertuples(index=False)],
    }


def _cell(value: Any) -> str:
    import pandas as pd

    if pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        is_plain = value == 0 or 1e-3 <= abs(value) < 1e4 or math.isinf(value)
        return f"{value:.3f}" if is_plain else f"{value:.3g}"
    return str(value)


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
