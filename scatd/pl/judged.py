"""Pictures of scores beside true responses: ROC curves, and reliability."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scatd.evaluation.curves import mean_roc_table, reliability_table, roc_table
from scatd.evaluation.intervals import bootstrap_interval, fold_mean_interval
from scatd.evaluation.metrics import response_metrics
from scatd.pl.labelled import judged
from scatd.pl.showing import finish
from scatd.plots import performance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def roc(
    data: Any,
    drug: str | None = None,
    *,
    labels: str | None = None,
    label_map: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw ROC curves, with the AUROC of each model and its 95% interval.

    The AUROC is the share of pairs of a resistant and a sensitive sample in which the resistant
    one has the higher score: 0.5 is chance, 1 is perfect. With folds, the curve is the mean of
    their curves, and the AUROC is the mean of theirs, as in the report of a transfer. Baselines are
    drawn fainter.

    Parameters
    ----------
    data
        A result of `scatd.transfer` or `scatd.evaluate`; its `predictions`; or an AnnData that
        `scatd.predict` has scored, with `labels`.
    drug
        Of an AnnData, in any spelling; needed where several drugs are scored.
    labels
        Column of obs with the true response, of an AnnData. Cells without a label are left out.
    label_map
        What other words mean, such as "0=sensitive,1=resistant".
    ax, show, return_fig
        As in scanpy: see `scatd.pl`.

    Returns
    -------
    None when shown, the Axes when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When there are no scores or labels, or one class only.

    Examples
    --------
    >>> import scatd
    >>> found = scatd.transfer(source, drug="docetaxel")  # doctest: +SKIP
    >>> scatd.pl.roc(found)  # doctest: +SKIP
    >>> scatd.pl.roc(adata, "docetaxel", labels="truth_docetaxel")  # doctest: +SKIP
    """
    found = judged(data, drug, labels, label_map)
    curves = {
        name: mean_roc_table([roc_table(*fold) for fold in folds])
        for name, folds in found.folds.items()
    }
    bounds = {
        name: found.bounds.get(name) or fold_mean_interval(folds)
        for name, folds in found.folds.items()
    }
    draw = partial(
        performance.roc, curves, found.subject, bounds=bounds, faint=list(found.folds)[1:]
    )
    return finish(lambda on: draw(on=on), ax=ax, show=show, return_fig=return_fig)


def reliability(
    data: Any,
    drug: str | None = None,
    *,
    labels: str | None = None,
    label_map: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the predicted P(resistant) against the observed fraction of resistant samples.

    On the dashed line both are equal. The legend says the expected calibration error (ECE) with
    its 95% interval: how far a probability is off on average. Samples of all folds are taken
    together. Baselines are drawn fainter.

    Parameters
    ----------
    data, drug, labels, label_map, ax, show, return_fig
        As in `roc`.

    Returns
    -------
    None when shown, the Axes when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When there are no scores or labels, or one class only.

    Examples
    --------
    >>> import scatd
    >>> found = scatd.evaluate(  # doctest: +SKIP
    ...     adata, drug="docetaxel", labels="truth_docetaxel"
    ... )
    >>> scatd.pl.reliability(found)  # doctest: +SKIP
    >>> scatd.pl.reliability(adata, "docetaxel", labels="truth_docetaxel")  # doctest: +SKIP
    """
    found = judged(data, drug, labels, label_map)
    tables = {name: reliability_table(*found.pooled(name)) for name in found.folds}
    ours, *others = tables
    known = {} if found.ece is None else {ours: found.ece}
    errors = {name: known.get(name) or _ece(*found.pooled(name)) for name in tables}
    words = {
        name: f"{name}: ECE {value:.3f} ({low:.3f} to {high:.3f})"
        for name, (value, low, high) in errors.items()
    }
    draw = partial(
        performance.reliability,
        tables[ours],
        found.subject,
        label=words[ours],
        others={words[name]: tables[name] for name in others},
    )
    return finish(lambda on: draw(on=on), ax=ax, show=show, return_fig=return_fig)


def _ece(codes: Any, prob: Any) -> tuple[float, float, float]:
    """Expected calibration error and the bounds of its interval."""
    return response_metrics(codes, prob)["ece"], *bootstrap_interval(codes, prob, "ece")
