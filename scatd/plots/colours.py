"""Colours by meaning: of figures, reports and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scatd.evaluation.evidence import CONTROLS, MODEL, WORDS, in_legend
from scatd.keys import ABSTAIN, FAMILIES, RESISTANT, SENSITIVE

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# The one table of colours. A meaning has the same colour in every figure, report and page. Colours
# that stand together differ for every type of colour vision, and in lightness, so in print too.
COLOURS: dict[str, str] = {
    # cells and samples
    SENSITIVE: "#0B3C78",
    RESISTANT: "#B34700",
    ABSTAIN: "#949494",
    "missing": "#CCCCCC",
    "outside": "#C2347F",
    # models
    "model": "#12835B",
    "baseline": "#720425",
    # cohorts
    "source": "#66345C",
    "reference": "#BC6DCA",
    "target": "#3A64D1",
    # what has no meaning of its own
    "data": "#4A5A6B",
    "guide": "#757575",
    "grid": "#E6E6E6",
    "ink": "#000000",
    "paper": "#FFFFFF",
    "middle": "#F7F7F7",
}
"""Colour of each meaning on white paper, where all figures stand.

`missing` cells have no value. `outside` cells are outside a training domain or a limit. `data` is
the only series of a figure. `guide` is for lines of chance and of equality.
"""

ON_DARK: dict[str, str] = {
    SENSITIVE: "#9CC7F7",
    RESISTANT: "#F0843C",
    ABSTAIN: "#7C8794",
    "missing": "#49525D",
    "outside": "#E58FCB",
    "model": "#5FE0AD",
    "baseline": "#C4617E",
    "source": "#9C5A8C",
    "reference": "#F0CFF6",
    "target": "#6FA8FF",
}
"""The same meanings on the dark background of a page."""

PAGE: dict[str, tuple[str, str]] = {
    "page": ("#F4F6F8", "#10161D"),
    "card": ("#FFFFFF", "#1A222C"),
    "ink": ("#1D2733", "#E8EDF2"),
    "soft": ("#4F5B68", "#B4BFCA"),
    "line": ("#D5DCE4", "#3A4654"),
    "edge": ("#66717D", "#8D99A6"),
    "accent": ("#00598C", "#7CC4F5"),
    "on-accent": ("#FFFFFF", "#06202F"),
    "accent-over": ("#003F64", "#A9D9FA"),
    "warm": ("#8A6100", "#F2C14E"),
    "warm-card": ("#FFF9EC", "#2A2415"),
    "bad": ("#A3171E", "#FF8A8A"),
    "well": ("#FAFBFC", "#141B23"),
    "well-over": ("#EAF4FB", "#17304A"),
    "focus": ("#8A3FFC", "#FFD166"),
    "head": ("#10202F", "#0A0F14"),
    "on-head": ("#FFFFFF", "#FFFFFF"),
}
"""Colours of a page by use: on a light screen and on paper, and on a dark screen."""

GUIDE, INK, PAPER = (COLOURS[name] for name in ("guide", "ink", "paper"))

CATEGORIES = (*("#0CAA5B", "#B9479D", "#473E07", "#BD8D1A", "#5C3DAE", "#632838", "#BE76EA"),)
"""Of groups, folds and other things without a fixed colour; none looks like a response."""

RESPONSE_COLOURS = {word: COLOURS[word] for word in (SENSITIVE, RESISTANT)}
CALL_COLOURS = {word: COLOURS[word] for word in (SENSITIVE, RESISTANT, ABSTAIN)}
FAMILY_COLOURS = dict(zip(FAMILIES, CATEGORIES, strict=False))

SHARES = "cividis"
"""Colour map of P(resistant), of shares and of AUROC."""
VALUES = "viridis"
"""Colour map of values without a direction, such as expression."""
CORRELATIONS = "PRGn"
"""Diverging colour map of correlations: none of its colours means a response."""
MANY = "turbo"
"""Colour map for more groups than there are categories; its colours mean nothing else."""
COUNTS = "Greys"
"""Colour map of counts that are written beside it."""

_LINE_STYLES = ("-", "--", ":")
_OURS = (in_legend(MODEL), "registered model")
_DASHES: tuple[Any, ...] = (
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (2.5, 1)),
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (9, 3)),
)
"""Line styles of baselines."""


def css_variables(scope: str = ":root") -> str:
    """Both tables as CSS variables (`--resistant`, `--card`), for light and for dark screens.

    Paper is always light.

    Parameters
    ----------
    scope
        CSS selector of what has the variables.
    """

    def block(meanings: Mapping[str, str], place: int) -> str:
        named = {name: meanings[name] for name in ON_DARK}
        named |= {name: pair[place] for name, pair in PAGE.items()}
        return f"{scope} {{ {' '.join(f'--{name}: {value};' for name, value in named.items())} }}"

    dark = block(ON_DARK, 1)
    return f"{block(COLOURS, 0)}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n"


def line_look(index: int) -> tuple[str, str]:
    """Colour and line style of line number `index`; 21 combinations differ."""
    place, turn = index % len(CATEGORIES), index // len(CATEGORIES)
    return CATEGORIES[place], _LINE_STYLES[turn % len(_LINE_STYLES)]


def look_of(name: str, index: int) -> dict[str, Any]:
    """Colour and line style of a curve, by its name in the legend.

    The response model is drawn solid, and a control of it dashed in the same colour. All baselines
    have one colour, and each has a line style of its own. Anything else (a fold) gets its look from
    its number.

    Parameters
    ----------
    name
        May have numbers behind it.
    index
        Number of the curve in the figure, from 0.
    """
    if name.startswith(_OURS):
        return {"color": COLOURS["model"], "linestyle": "-"}
    if name.startswith(tuple(map(in_legend, CONTROLS))):
        return {"color": COLOURS["model"], "linestyle": "--"}
    for number, baseline in enumerate(one for one in WORDS if one not in CONTROLS):
        if name.startswith(in_legend(baseline)):
            return {"color": COLOURS["baseline"], "linestyle": _DASHES[number % len(_DASHES)]}
    colour, style = line_look(index)
    return {"color": colour, "linestyle": style}


def diverging() -> Colormap:
    """The colour of sensitive over near white (0) to that of resistant."""
    from matplotlib.colors import LinearSegmentedColormap

    low, high = COLOURS[SENSITIVE], COLOURS[RESISTANT]
    between = ("#5F9BD8", COLOURS["middle"], "#EE9A5E")
    return LinearSegmentedColormap.from_list("scatd", [low, *between, high])
