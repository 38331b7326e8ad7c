"""Content of each figure: its values, labels and legend, and nothing is cut off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, roc_auc_score

from scatd.evaluation.curves import pr_table, reliability_table, roc_table
from scatd.plots.alignment import divergence
from scatd.plots.colours import COLOURS
from scatd.plots.performance import (
    fold_comparison,
    precision_recall,
    reliability,
    roc,
    score_distribution,
)
from scatd.plots.training import loss_curves

SUBJECT = "DOCETAXEL (sf)"


def legend_texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def line(axes: Axes, label: str):
    (found,) = [line for line in axes.lines if str(line.get_label()).startswith(label)]
    return found


def title(axes: Axes) -> str:
    return axes.get_title(loc="left")


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = (rng.random(200) < 0.4).astype(int)
    return codes, np.clip(rng.normal(0.4 + 0.2 * codes, 0.2), 0, 1)


@pytest.fixture
def history() -> pd.DataFrame:
    rows = [
        (fold, epoch, 1 / epoch + fold, 2 / epoch + 2 * fold)
        for fold in (1, 2, 3)
        for epoch in range(1, 11)
    ]
    return pd.DataFrame(rows, columns=["fold", "epoch", "train_loss", "val_loss"])


def test_loss_is_the_mean_over_folds_with_one_sd(history: pd.DataFrame) -> None:
    (axes,) = loss_curves(history, SUBJECT).axes
    assert title(axes) == "DOCETAXEL (sf): loss, mean ± s.d. of 3 folds"
    assert legend_texts(axes) == ["training", "validation"]
    epochs = np.arange(1, 11)
    np.testing.assert_allclose(line(axes, "training").get_xdata(), epochs)
    np.testing.assert_allclose(line(axes, "training").get_ydata(), 1 / epochs + 2)
    np.testing.assert_allclose(line(axes, "validation").get_ydata(), 2 / epochs + 4)
    # Folds lie 1 apart in training and 2 apart in validation: s.d. 1 and 2.
    expected = ((1 / epochs + 2, 1), (2 / epochs + 4, 2))
    for band, (centre, sd) in zip(axes.collections, expected, strict=True):
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx(centre.min() - sd)
        assert heights.max() == pytest.approx(centre.max() + sd)


def test_one_split_has_no_band_and_missing_validation_no_line(history: pd.DataFrame) -> None:
    single = history.query("fold == 1").assign(val_loss=np.nan)
    (axes,) = loss_curves(single, SUBJECT).axes
    assert title(axes).endswith("one split")
    assert legend_texts(axes) == ["training"]
    assert len(axes.collections) == 0


def test_folds_of_unequal_length_are_averaged_where_they_are(history: pd.DataFrame) -> None:
    shorter = history.query("fold < 3 or epoch <= 4")
    (axes,) = loss_curves(shorter, SUBJECT).axes
    drawn = line(axes, "training").get_ydata()
    assert drawn[3] == pytest.approx(1 / 4 + 2)
    assert drawn[4] == pytest.approx(1 / 5 + 1.5)


def test_roc_shows_each_curve_with_its_area(scored: tuple[np.ndarray, np.ndarray]) -> None:
    codes, prob = scored
    tables = {"fold 1": roc_table(codes, prob), "logistic regression": roc_table(codes, 1 - prob)}
    (axes,) = roc(tables, SUBJECT).axes
    assert title(axes) == "DOCETAXEL (sf): ROC"
    area = roc_auc_score(codes, prob)
    assert legend_texts(axes) == [
        "chance (0.50)",
        f"fold 1 ({area:.2f})",
        f"logistic regression ({1 - area:.2f})",
    ]
    assert axes.get_legend().get_title().get_text() == "AUROC"
    np.testing.assert_array_equal(line(axes, "fold 1").get_xdata(), tables["fold 1"]["fpr"])
    np.testing.assert_array_equal(line(axes, "fold 1").get_ydata(), tables["fold 1"]["tpr"])
    assert "fraction" in axes.get_xlabel()
    assert "fraction" in axes.get_ylabel()


def test_roc_with_bounds_states_them_and_keeps_faint_curves_behind(
    scored: tuple[np.ndarray, np.ndarray],
) -> None:
    codes, prob = scored
    tables = {"model": roc_table(codes, prob), "baseline": roc_table(codes, 1 - prob)}
    bounds = {"model": (0.71, 0.84), "baseline": (0.1, 0.2)}
    (axes,) = roc(tables, SUBJECT, bounds=bounds, faint=["baseline"]).axes
    area = roc_auc_score(codes, prob)
    assert legend_texts(axes)[1:] == [
        f"model: {area:.2f} (0.71 to 0.84)",
        f"baseline: {1 - area:.2f} (0.10 to 0.20)",
    ]
    assert line(axes, "baseline").get_zorder() < line(axes, "model").get_zorder()


def test_reliability_of_other_models_is_listed_after_the_own(
    scored: tuple[np.ndarray, np.ndarray], written_whole
) -> None:
    codes, prob = scored
    others = {
        "logistic regression: ECE 0.126 (0.106 to 0.157)": reliability_table(codes, prob**2),
        "model without adaptation: ECE 0.036 (0.032 to 0.076)": reliability_table(codes, prob),
    }
    figure = reliability(reliability_table(codes, prob), SUBJECT, label="model", others=others)
    assert legend_texts(figure.axes[0]) == ["calibrated", "model", *others]
    written_whole(figure, "reliability", ("png",))


def test_precision_recall_is_drawn_as_the_steps_whose_area_it_tells(
    scored: tuple[np.ndarray, np.ndarray],
) -> None:
    codes, prob = scored
    (axes,) = precision_recall({"fold 1": pr_table(codes, prob)}, SUBJECT, codes.mean()).axes
    area = average_precision_score(codes, prob)
    assert legend_texts(axes) == [f"chance ({codes.mean():.2f})", f"fold 1 ({area:.2f})"]
    assert line(axes, "chance").get_ydata()[0] == codes.mean()
    curve = line(axes, "fold 1")
    assert curve.get_drawstyle() == "steps-pre"
    recall, precision = curve.get_xdata(), curve.get_ydata()
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(area)
    assert (recall[0], recall[-1]) == (0, 1)


def test_reliability_shows_filled_bins_with_intervals(
    scored: tuple[np.ndarray, np.ndarray],
) -> None:
    table = reliability_table(*scored)
    table.loc[3, "n"] = 0
    table.loc[3, ["observed", "mean_predicted", "ci_low", "ci_high"]] = np.nan
    filled = table[table["n"] > 0]
    (axes,) = reliability(table, SUBJECT).axes
    assert title(axes) == "DOCETAXEL (sf): reliability (n in each bin)"
    assert legend_texts(axes) == ["calibrated", "observed, 95% interval"]
    (container,) = axes.containers
    np.testing.assert_allclose(container[0].get_xdata(orig=False), filled["mean_predicted"])
    np.testing.assert_allclose(container[0].get_ydata(orig=False), filled["observed"])
    bars = np.array([segment[:, 1] for segment in container[2][0].get_segments()])
    np.testing.assert_allclose(bars, filled[["ci_low", "ci_high"]].to_numpy(float), atol=1e-12)
    assert [text.get_text() for text in axes.texts] == [str(n) for n in filled["n"]]


def test_score_distribution_weighs_both_responses_alike() -> None:
    codes = np.array([0] * 90 + [1] * 10)
    prob = np.concatenate([np.full(90, 0.1), np.full(5, 0.9), np.full(5, 1.0)])
    (axes,) = score_distribution(codes, prob, 0.35, SUBJECT).axes
    assert legend_texts(axes) == ["sensitive (n = 90)", "resistant (n = 10)", "threshold 0.35"]
    sensitive, resistant = (patch.get_data()[0] for patch in axes.patches)
    assert sensitive.sum() == resistant.sum() == 1
    assert (sensitive[2], resistant[22], resistant[24]) == (1, 0.5, 0.5)
    np.testing.assert_array_equal(line(axes, "threshold").get_xdata(), [0.35, 0.35])
    assert axes.get_xlabel() == "P(resistant)"


@pytest.fixture
def comparison() -> pd.DataFrame:
    return pd.DataFrame(
        [[0.80, 0.85, 0.90], [0.70, 0.75, 0.71], [0.5, 0.5, 0.5]],
        index=["response model", "logistic regression", "prevalence"],
        columns=[1, 2, 3],
    )


def test_fold_comparison_shows_folds_and_means(comparison: pd.DataFrame) -> None:
    (axes,) = fold_comparison(comparison, SUBJECT).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["response model (0.850)", "logistic regression (0.720)", "prevalence (0.500)"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first row stands on top"
    folds = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose([model.get_xdata() for model in folds], comparison)
    assert [model.get_color() for model in folds] == [
        COLOURS["model"], COLOURS["baseline"], COLOURS["baseline"]
    ]  # fmt: skip
    means = next(line for line in axes.lines if line.get_markersize() == 16)
    np.testing.assert_allclose(means.get_xdata(), [0.85, 0.72, 0.5])
    assert legend_texts(axes) == ["chance", "fold", "mean"]
    assert axes.get_xlabel() == "AUROC"


def test_only_auroc_has_a_line_of_chance(comparison: pd.DataFrame) -> None:
    (axes,) = fold_comparison(comparison, SUBJECT, metric="MCC").axes
    assert legend_texts(axes) == ["fold", "mean"]
    assert axes.get_xlabel() == "MCC"


def test_divergence_shows_sorted_values_and_pairs() -> None:
    before, after = np.array([3.0, 1.0, 2.0]), np.array([0.5, 1.5, 0.1])
    ranked, paired = divergence(before, after, SUBJECT).axes
    assert SUBJECT in title(ranked)
    assert legend_texts(ranked) == ["before (mean 2.00)", "after (mean 0.70)"]
    np.testing.assert_array_equal(line(ranked, "before").get_ydata(), [3, 2, 1])
    np.testing.assert_array_equal(line(ranked, "after").get_ydata(), [1.5, 0.5, 0.1])
    np.testing.assert_array_equal(
        paired.collections[0].get_offsets(), np.stack([before, after], axis=1)
    )
    assert title(paired) == "2 of 3 features came closer"
    assert "nats" in ranked.get_ylabel()
    assert "nats" in paired.get_xlabel()


@pytest.fixture
def every_figure(
    scored: tuple[np.ndarray, np.ndarray], history: pd.DataFrame, comparison: pd.DataFrame
) -> dict[str, Figure]:
    codes, prob = scored
    names = [f"fold {number}" for number in range(1, 6)] + ["a baseline with a rather long name"]
    return {
        "loss": loss_curves(history, SUBJECT),
        "roc": roc({name: roc_table(codes, prob) for name in names}, SUBJECT),
        "pr": precision_recall({name: pr_table(codes, prob) for name in names}, SUBJECT, 0.4),
        "reliability": reliability(reliability_table(codes, prob), SUBJECT),
        "scores": score_distribution(codes, prob, 0.5, SUBJECT),
        "folds": fold_comparison(comparison, SUBJECT),
        "kl": divergence(np.geomspace(20, 0.1, 500), np.geomspace(9, 0.01, 500), SUBJECT),
    }


def test_every_figure_is_named_labelled_and_written_whole(
    every_figure: dict[str, Figure], written_whole
) -> None:
    for name, figure in every_figure.items():
        assert title(figure.axes[0]).startswith(SUBJECT), name
        for axes in figure.axes:
            assert axes.get_xlabel(), name
            assert axes.get_ylabel() or name == "folds", name
        _, pdf = written_whole(figure, name)
        assert pdf.stat().st_size > 5_000


def test_no_label_is_printed_over_tick_labels(every_figure: dict[str, Figure], legible) -> None:
    for figure in every_figure.values():
        legible(figure)


def test_a_legend_beside_the_axes_hides_no_curve(every_figure: dict[str, Figure]) -> None:
    for name in ("roc", "pr", "folds"):
        figure = every_figure[name]
        figure.draw_without_rendering()
        (axes,) = figure.axes
        assert axes.get_legend().get_window_extent().x0 > axes.get_window_extent().x1, name
