"""One table of colours: nothing is coloured by hand, and what stands together can be told apart."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import is_color_like, to_rgb

import scatd
from scatd.evaluation.evidence import NO_ADAPTATION, in_legend
from scatd.plots.colours import (
    CALL_COLOURS,
    CATEGORIES,
    COLOURS,
    CORRELATIONS,
    ON_DARK,
    PAGE,
    SHARES,
    VALUES,
    css_variables,
    diverging,
    look_of,
)

PACKAGE = Path(scatd.__file__).parent
TOGETHER = (
    ("sensitive", "resistant", "abstain", "missing"),
    ("model", "baseline"),
    ("source", "reference", "target"),
)
"""Meanings that stand in one figure."""

TO_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
SIGHT = {
    "full": np.eye(3),
    # Machado, Oliveira and Fernandes 2009, severity 1, for linear light.
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [
        [0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]
    ],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}  # fmt: skip


def light(colour) -> np.ndarray:
    """Linear light (3,) of a colour in sRGB."""
    channels = np.array(to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(colour, sight: str = "full") -> np.ndarray:
    """CIE 1976 L*, a*, b* (3,) of a colour, as somebody sees it."""
    seen = np.clip(np.array(SIGHT[sight]) @ light(colour), 0, 1)
    scaled = TO_XYZ @ seen / np.array([0.95047, 1, 1.08883])
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, sight: str = "full") -> float:
    return float(np.linalg.norm(lab(one, sight) - lab(other, sight)))


def contrast(one, other) -> float:
    """Contrast of the Web Content Accessibility Guidelines, 1 to 21."""
    low, high = sorted(float(TO_XYZ[1] @ light(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_contrast_and_distance_are_those_of_the_standards():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21, abs=0.01)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert lab("#FF0000") == pytest.approx([53.2, 80.1, 67.2], abs=0.2)


@pytest.mark.parametrize("table", [COLOURS, ON_DARK], ids=["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_what_stands_together_differs_for_every_sight_and_in_print(table, sight):
    for group in TOGETHER:
        for one, other in itertools.combinations(group, 2):
            assert distance(table[one], table[other], sight) > 15, (one, other)
            assert abs(lab(table[one])[0] - lab(table[other])[0]) > 9, (one, other)


def test_every_meaning_can_be_seen_on_its_ground():
    pale = {"missing", "grid", "paper", "middle"}
    for name, colour in COLOURS.items():
        assert name in pale or contrast(colour, COLOURS["paper"]) >= 3, name
    for name, colour in ON_DARK.items():
        assert name in pale or contrast(colour, PAGE["card"][1]) >= 3, name
    for place in (0, 1):
        for name in ("ink", "soft", "accent", "warm", "bad"):
            for ground in ("page", "card", "well", "warm-card"):
                assert contrast(PAGE[name][place], PAGE[ground][place]) >= 4.5, (name, ground)


def test_no_colour_has_two_meanings():
    every = [*COLOURS.values(), *CATEGORIES]
    assert len(set(every)) == len(every)
    for colour in CATEGORIES:
        assert contrast(colour, COLOURS["paper"]) >= 2.9
        for call, other in CALL_COLOURS.items():
            assert distance(colour, other) > 20, (colour, call)


def test_missing_is_no_colour_of_a_scale():
    maps = [mpl.colormaps[name] for name in (SHARES, VALUES, CORRELATIONS)]
    for scale in (*maps, diverging()):
        shades = scale(np.linspace(0, 1, 33))[:, :3]
        assert min(distance(shade, COLOURS["missing"]) for shade in shades) > 8, scale.name
        if scale.name not in (SHARES, VALUES):
            assert distance(shades[16], COLOURS["missing"]) > 10, scale.name


def test_the_ends_of_attributions_are_the_colours_of_responses():
    scale = diverging()
    assert distance(scale(0.0)[:3], COLOURS["sensitive"]) < 1
    assert distance(scale(1.0)[:3], COLOURS["resistant"]) < 1
    lightness = [lab(shade[:3])[0] for shade in scale(np.linspace(0, 1, 21))]
    assert lightness[:11] == sorted(lightness[:11])
    assert lightness[10:] == sorted(lightness[10:], reverse=True)


def test_baselines_have_one_colour_and_a_line_style_each():
    ours = look_of("response model: 0.81 (0.76 to 0.86)", 0)
    control = look_of(f"{in_legend(NO_ADAPTATION)} (0.70)", 3)
    names = ("logistic regression (0.7)", "a random forest (0.7)")
    baselines = [look_of(name, 1) for name in names]
    assert ours["color"] == control["color"] == COLOURS["model"]
    assert ours["linestyle"] != control["linestyle"]
    assert [look["color"] for look in baselines] == [COLOURS["baseline"]] * 2
    assert baselines[0]["linestyle"] != baselines[1]["linestyle"]
    assert look_of("fold 1", 0)["color"] in CATEGORIES


LITERAL = re.compile(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b")
NAMED = re.compile(r"""(?<!\w)(?:\w*color|fc|ec|c|cmap)\s*=\s*["'](\w+)["']""")


def is_a_colour(word: str) -> bool:
    return word != "none" and (is_color_like(word) or word in mpl.colormaps)


def test_no_colour_is_written_anywhere_else():
    table = PACKAGE / "plots" / "colours.py"
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.css")]
    assert len(files) > 100
    found = []
    for path in files:
        if path == table:
            continue
        text = re.sub(r"&#\w+;", "", path.read_text(encoding="utf-8"))
        found += [f"{path.name}: {one}" for one in LITERAL.findall(text)]
        if path.is_relative_to(PACKAGE / "plots") or path.is_relative_to(PACKAGE / "pl"):
            found += [f"{path.name}: {one}" for one in NAMED.findall(text) if is_a_colour(one)]
    assert found == []


def test_pages_have_every_meaning_for_both_screens_and_paper():
    text = css_variables()
    first, dark = text.split("@media screen and (prefers-color-scheme: dark)")
    for name, colour in ON_DARK.items():
        assert f"--{name}: {COLOURS[name]};" in first
        assert f"--{name}: {colour};" in dark
    for name, (on_light, on_dark) in PAGE.items():
        assert f"--{name}: {on_light};" in first
        assert f"--{name}: {on_dark};" in dark
    styled = [*PACKAGE.glob("report_*.html"), *PACKAGE.rglob("*.css")]
    assert len(styled) >= 4
    for template in styled:
        used = set(re.findall(r"var\(--([\w-]+)\)", template.read_text(encoding="utf-8")))
        assert used <= set(PAGE) | set(ON_DARK), template.name
