"""Survival of patients by their score, beside lifelines."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from matplotlib.colors import to_hex

from scatd import pl
from scatd.errors import InputError
from scatd.plots.colours import CALL_COLOURS

TIMES = {"time": "OS.time", "event": "OS"}


@pytest.fixture
def patients() -> ad.AnnData:
    rng = np.random.default_rng(4)
    prob = rng.random(50)
    obs = pd.DataFrame(
        {
            "OS.time": np.ceil(rng.exponential(900 * np.exp(1 - 2 * prob))),
            "OS": (rng.random(50) < 0.7).astype(float),
            "scatd_docetaxel_prob_resistant": prob,
            "scatd_docetaxel_response": np.where(prob > 0.4, "resistant", "sensitive"),
        },
        index=[f"patient{number}" for number in range(50)],
    )
    about = {"threshold": 0.4, "family": "dist"}
    return ad.AnnData(obs=obs, uns={"scatd": {"docetaxel": about}})


def curve(axes, name: str):
    (found,) = [one for one in axes.lines if str(one.get_label()).startswith(name)]
    return found


def p_of(obs: pd.DataFrame, high: pd.Series) -> float:
    a, b = obs[high], obs[~high]
    return logrank_test(a["OS.time"], b["OS.time"], a["OS"], b["OS"]).p_value


def test_curves_and_p_of_the_calls_equal_lifelines(patients):
    axes = pl.survival(patients, "Docetaxel", **TIMES, show=False)
    obs = patients.obs
    p = p_of(obs, obs["scatd_docetaxel_response"] == "resistant")
    assert axes.get_title(loc="left") == f"docetaxel (dist), 50 patients: log-rank p = {p:.2g}"
    own = obs[obs["scatd_docetaxel_response"] == "resistant"]
    fitted = KaplanMeierFitter().fit(own["OS.time"], own["OS"]).survival_function_
    np.testing.assert_allclose(curve(axes, "resistant").get_ydata(), fitted.iloc[:, 0])
    assert to_hex(curve(axes, "resistant").get_color()).upper() == CALL_COLOURS["resistant"]


def test_the_median_splits_scores_in_halves(patients):
    axes = pl.survival(patients, "docetaxel", **TIMES, split="median", show=False)
    score = patients.obs["scatd_docetaxel_prob_resistant"]
    p = p_of(patients.obs, score > score.median())
    assert axes.get_title(loc="left").endswith(f"log-rank p = {p:.2g}")
    assert str(curve(axes, "high score").get_label()).startswith("high score (n = 25")
    assert to_hex(curve(axes, "high score").get_color()).upper() == CALL_COLOURS["resistant"]
    assert to_hex(curve(axes, "low score").get_color()).upper() == CALL_COLOURS["sensitive"]


def test_patients_at_risk_stand_below(patients):
    figure = pl.survival(patients, "docetaxel", **TIMES, return_fig=True)
    _, below = figure.axes
    times = below.get_xticks()
    obs = patients.obs
    expected = [
        str(int((obs.loc[obs["scatd_docetaxel_response"] == word, "OS.time"] >= time).sum()))
        for word in ("resistant", "sensitive")
        for time in times
    ]
    assert [text.get_text() for text in below.texts] == expected


def test_patients_who_abstain_do_not_look_sensitive(patients):
    patients.obs.iloc[:12, patients.obs.columns.get_loc("scatd_docetaxel_response")] = "abstain"
    axes = pl.survival(patients, "docetaxel", **TIMES, show=False)
    assert to_hex(curve(axes, "abstain").get_color()).upper() == CALL_COLOURS["abstain"]


def test_cells_count_once_for_their_patient(patients):
    rng = np.random.default_rng(5)
    obs = patients.obs.iloc[np.repeat(np.arange(50), 3)].rename_axis("patient").reset_index()
    obs.index = obs.index.map("cell{}".format)
    repeated = ad.AnnData(obs=obs, uns=patients.uns)
    shift = np.tile([-0.1, 0, 0.1], 50)
    repeated.obs["scatd_docetaxel_prob_resistant"] += shift
    mixed = repeated[rng.permutation(150)]
    axes = pl.survival(mixed, "docetaxel", **TIMES, groupby="patient", show=False)
    alone = pl.survival(patients, "docetaxel", **TIMES, show=False)
    assert axes.get_title(loc="left") == alone.get_title(loc="left")
    repeated.obs.loc["cell4", "OS.time"] = 1e6
    with pytest.raises(InputError, match=r"'OS.time' has several values for patient 'patient1'"):
        pl.survival(repeated, "docetaxel", **TIMES, groupby="patient")


def test_unknown_survival_and_missing_scores_are_left_out(patients):
    patients.obs.loc["patient3", "OS.time"] = np.nan
    patients.obs.loc["patient4", "scatd_docetaxel_prob_resistant"] = np.nan
    axes = pl.survival(patients, "docetaxel", **TIMES, show=False)
    assert "48 patients" in axes.get_title(loc="left")


@pytest.mark.parametrize(
    ("change", "ask", "said"),
    [
        ({}, {"time": "OS.tim"}, "no column 'OS.tim'.*Expected OS.time"),
        ({"OS": 2.0}, {}, "column 'OS' holds 2.*1 .died. and 0"),
        ({"OS.time": "long"}, {}, "holds 'long' in row 1.*numbers"),
        ({"OS.time": np.nan}, {}, "0 patients.*at least 10"),
        ({}, {"split": "best"}, "split is 'best'.*call or median"),
        ({}, {"drug": "cisplatin"}, "no scores of 'cisplatin'"),
    ],
)
def test_what_cannot_be_estimated_is_refused(patients, change, ask, said):
    patients.obs = patients.obs.assign(**change)
    with pytest.raises(InputError, match=said):
        pl.survival(patients, **{"drug": "docetaxel", **TIMES, **ask})


def test_repeated_names_of_patients_are_refused(patients):
    patients.obs_names = ["same"] * 50
    with pytest.raises(InputError, match="obs_names_make_unique"):
        pl.survival(patients, "docetaxel", **TIMES)
