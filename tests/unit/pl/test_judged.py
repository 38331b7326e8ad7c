"""ROC and reliability equal scikit-learn and the intervals that reports state."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from scatd import pl
from scatd.errors import InputError
from scatd.evaluation.delong import interval_of_mean, ranking


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def line(axes, label: str):
    (found,) = [one for one in axes.lines if str(one.get_label()).startswith(label)]
    return found


def fold_areas(table: pd.DataFrame, model: str) -> list[float]:
    own = table[table["model"] == model]
    return [
        roc_auc_score(fold["truth"] == "resistant", fold["prob_resistant"])
        for _, fold in own.groupby("fold")
    ]


def test_a_result_states_the_mean_auroc_of_its_folds_with_the_interval(transferred, predictions):
    axes = pl.roc(transferred, show=False)
    assert axes.get_title(loc="left") == "docetaxel (sf), n = 80, 2 folds: ROC"
    expected = []
    for model, words in (
        ("response_model", "response model"),
        ("logistic_regression", "logistic regression"),
    ):
        area = np.mean(fold_areas(predictions, model))
        own = predictions[predictions["model"] == model]
        low, high = interval_of_mean(
            [
                ranking((fold["truth"] == "resistant").to_numpy(float),
                        fold["prob_resistant"].to_numpy())
                for _, fold in own.groupby("fold")
            ],
            level=0.95,
        )  # fmt: skip
        expected.append(f"{words}: {area:.2f} ({low:.2f} to {high:.2f})")
        curve = line(axes, words)
        assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(area)
    assert legend(axes) == ["chance (0.50)", *expected]
    assert axes.get_legend().get_title().get_text() == "AUROC, 95% interval"


def test_baselines_stand_in_the_background(transferred):
    axes = pl.roc(transferred, show=False)
    ours, theirs = line(axes, "response model"), line(axes, "logistic regression")
    assert ours.get_alpha() is None
    assert theirs.get_alpha() < 0.5
    assert theirs.get_zorder() < ours.get_zorder()
    assert theirs.get_linewidth() < ours.get_linewidth()


def test_cells_with_labels_are_judged_and_those_without_left_out(cells):
    cells.obs.loc["cell5", "truth"] = None
    known = cells.obs.drop(["cell0", "cell5"])
    area = roc_auc_score(known["truth"] == "resistant", known["scatd_docetaxel_prob_resistant"])
    axes = pl.roc(cells, "Docetaxel", labels="truth", show=False)
    assert legend(axes)[1].startswith(f"response model: {area:.2f} (")
    assert axes.get_title(loc="left") == "docetaxel (sf), n = 58: ROC"


def test_other_words_need_their_meaning(cells):
    with pytest.raises(InputError, match="does not know the meaning"):
        pl.roc(cells, "docetaxel", labels="code")
    axes = pl.roc(
        cells, "docetaxel", labels="code", label_map="0=sensitive,1=resistant", show=False
    )
    assert legend(axes) == legend(pl.roc(cells, "docetaxel", labels="truth", show=False))


def test_a_table_of_one_model_is_enough(predictions):
    own = predictions[predictions["model"] == "response_model"]
    axes = pl.roc(own[["truth", "prob_resistant"]], "my drug", show=False)
    area = roc_auc_score(own["truth"] == "resistant", own["prob_resistant"])
    assert legend(axes)[1].startswith(f"response model: {area:.2f}")
    assert axes.get_title(loc="left") == "my drug, n = 80: ROC"


def test_reliability_shows_bins_and_the_calibration_error(transferred, predictions):
    axes = pl.reliability(transferred, show=False)
    own = predictions[predictions["model"] == "response_model"]
    truth = (own["truth"] == "resistant").to_numpy(float)
    prob = own["prob_resistant"].to_numpy()
    bins = np.minimum((prob * 10).astype(int), 9)
    gaps = [
        (bins == one).mean() * abs(truth[bins == one].mean() - prob[bins == one].mean())
        for one in np.unique(bins)
    ]
    said = legend(axes)
    assert said[0] == "calibrated"
    assert said[1].startswith(f"response model: ECE {sum(gaps):.3f} (")
    assert said[2].startswith("logistic regression: ECE")
    ours = axes.containers[0][0]
    np.testing.assert_allclose(
        ours.get_xdata(orig=False), [prob[bins == one].mean() for one in np.unique(bins)]
    )
    assert axes.containers[1][0].get_alpha() < 0.5


@pytest.mark.parametrize("draw", [pl.roc, pl.reliability])
def test_what_cannot_be_judged_is_refused(draw, cells, predictions):
    with pytest.raises(InputError, match=r"no labels are named.*labels="):
        draw(cells, "docetaxel")
    with pytest.raises(InputError, match=r"scores of 2 drugs.*docetaxel, 5fluorouracil"):
        draw(cells, labels="truth")
    with pytest.raises(InputError, match=r"no column 'truths'.*Expected truth"):
        draw(cells, "docetaxel", labels="truths")
    with pytest.raises(InputError, match="no column truth and prob_resistant"):
        draw(predictions.drop(columns=["truth", "prob_resistant"]))
    one_class = cells[cells.obs["truth"] == "sensitive"]
    with pytest.raises(InputError, match=r"only one class \(29 sensitive, 0 resistant\)"):
        draw(one_class, "docetaxel", labels="truth")
    odd = predictions[(predictions["fold"] == 1) | (predictions["truth"] == "resistant")]
    with pytest.raises(InputError, match=r"fold 2.*only one class"):
        draw(odd)
    with pytest.raises(InputError, match="Expected an AnnData"):
        draw(3)


def test_a_picture_of_a_result_says_the_intervals_of_its_report(predictions):
    own = predictions[predictions["fold"] == 1]
    models = pd.DataFrame(
        {
            "model": ["response_model", "logistic_regression"],
            "auroc_ci_low": [0.11, 0.22],
            "auroc_ci_high": [0.93, 0.94],
        }
    )
    metrics = pd.DataFrame(
        {"metric": ["auroc", "ece"], "value": [0.5, 0.123], "ci_low": 0.111, "ci_high": 0.222}
    )
    result = SimpleNamespace(predictions=own, tables={"models": models, "metrics": metrics})
    said = legend(pl.roc(result, show=False))
    assert said[1].endswith("(0.11 to 0.93)")
    assert said[2].endswith("(0.22 to 0.94)")
    said = legend(pl.reliability(result, show=False))
    assert said[1] == "response model: ECE 0.123 (0.111 to 0.222)"
