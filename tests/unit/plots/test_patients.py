"""Content of the figures of patients."""

from __future__ import annotations

import numpy as np
import pandas as pd

from docs import _simulated as figures
from scatd.evaluation.survival import at_risk, kaplan_meier, rank_tests, time_bins
from scatd.plots.colours import CALL_COLOURS
from scatd.plots.patients import feature_violins, score_against_time, score_by_time
from scatd.plots.survival import hazard_ratios, kaplan_meier_curves

TABLE = figures.patients(60)
EXPRESSION = figures.explained(60, 12).expression.set_axis(TABLE.index, axis=0)
SUBJECT = "DOCETAXEL, TCGA-PRAD"


def title(axes) -> str:
    return axes.get_title(loc="left")


def test_curves_are_steps_with_patients_at_risk_under_them() -> None:
    table, numbers = kaplan_meier(TABLE), at_risk(TABLE)
    curves, below = kaplan_meier_curves(table, numbers, 0.0123, SUBJECT).axes
    assert title(curves) == f"{SUBJECT}: log-rank p = 0.012"
    own = table[table["group"] == "resistant"]
    (line,) = [line for line in curves.lines if str(line.get_label()).startswith("resistant")]
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_allclose(line.get_ydata(), own["survival"])
    ticks = [line for line in curves.lines if line.get_marker() == "|"]
    assert sum(len(line.get_xdata()) for line in ticks) == (table["n_censored"] > 0).sum()
    shown = [text.get_text() for text in below.texts]
    assert shown == [str(number) for number in numbers.to_numpy().ravel()]
    assert curves.get_xlim() == below.get_xlim()


def test_patients_without_a_call_have_a_colour_of_their_own() -> None:
    some = TABLE.assign(group=np.where(np.arange(len(TABLE)) % 3 == 0, "abstain", TABLE["group"]))
    curves, _ = kaplan_meier_curves(kaplan_meier(some), at_risk(some), 0.1, SUBJECT).axes
    colours = [line.get_color() for line in curves.lines if line.get_drawstyle() == "steps-post"]
    assert colours == [CALL_COLOURS[word] for word in ("abstain", "resistant", "sensitive")]


def test_one_group_has_no_p() -> None:
    same = TABLE.assign(group="sensitive")
    curves, _ = kaplan_meier_curves(kaplan_meier(same), at_risk(same), np.nan, SUBJECT).axes
    assert title(curves).endswith("log-rank: one group")


def test_a_hazard_ratio_has_its_interval_and_a_missing_one_its_reason() -> None:
    ratio = {"hazard_ratio": [2.0, np.nan], "ci_low": [1.0, np.nan], "ci_high": [4.0, np.nan]}
    table = pd.DataFrame(
        {"covariate": ["score", "call"], **ratio, "p": [0.04, np.nan], "note": ["", "no deaths"]}
    )
    (axes,) = hazard_ratios(table, SUBJECT).axes
    (container,) = axes.containers
    (segment, *_) = container[2][0].get_segments()
    np.testing.assert_allclose(segment[:, 0], [1, 4])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["score\n2.00 (1.00 to 4.00), p = 0.04", "call\nno deaths"]
    assert axes.get_xscale() == "log"


def test_patients_are_coloured_by_what_became_of_them() -> None:
    (axes,) = score_against_time(TABLE, "prob_resistant", SUBJECT, "P(resistant)").axes
    alive, died = axes.collections
    assert len(alive.get_offsets()) == (TABLE["event"] == 0).sum()
    expected = TABLE.loc[TABLE["event"] == 1, ["time", "prob_resistant"]]
    np.testing.assert_allclose(died.get_offsets(), expected)


def test_boxes_are_those_of_the_bins_and_say_how_many() -> None:
    dead = TABLE[TABLE["event"] == 1]
    bins = time_bins(dead["time"])
    (axes,) = score_by_time(dead["prob_resistant"], bins, SUBJECT, "P(resistant)").axes
    counts = bins.value_counts(sort=False)
    assert [int(text.get_text()) for text in axes.texts] == list(counts[counts > 0])
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == list(bins.cat.categories)
    medians = dead["prob_resistant"].groupby(bins, observed=True).median()
    drawn = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
    assert set(np.round(medians, 9)) <= set(np.round(drawn, 9))


def test_violins_tell_p_of_each_feature() -> None:
    few = EXPRESSION.iloc[:, :6]
    tests = rank_tests(few, TABLE["event"])
    figure = feature_violins(few, TABLE["event"], tests, SUBJECT, "expression (log1p)")
    assert len(figure.axes) == 6
    for axes, row in zip(figure.axes, tests.itertuples(), strict=True):
        assert title(axes) == f"{row.feature}\np = {row.p:.2g}, FDR {row.fdr:.2g}"
