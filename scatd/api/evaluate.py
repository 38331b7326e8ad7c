"""`scatd.evaluate`: a registered model on labelled cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scatd.api.arguments import called
from scatd.api.docstrings import documented
from scatd.cli.evaluate import asked
from scatd.cli.evaluate import evaluate as command

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File, Labels
    from scatd.workflows.evaluate.run import EvaluateResult


@documented(command)
def evaluate(
    adata: Cells,
    drug: str,
    *,
    labels: Labels | None = None,
    label_map: str | Mapping[str, str] | None = None,
    label_kind: str | None = None,
    output: File | None = None,
    stage: str | int = "production",
    family: str | None = None,
    group_by: str | None = None,
    calibrate: str | Sequence[str] = (),
    calibrate_probability: str | None = None,
    abstain: str | None = None,
    scale: str | None = None,
    layer: str | None = None,
    weights: File | None = None,
    gene_map: File | None = None,
    scheduler: str | None = None,
    allow_insecure: bool = False,
    seed: int = 0,
    device: str = "auto",
    allow_simulated: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> EvaluateResult:
    """Measure a registered model on labelled cells, and calibrate it.

    As `scatd evaluate` does: the evaluation is logged as a run that is linked to the version, and
    `promote` reads it. A folder is written only where `output` names one.

    Parameters
    ----------
    adata
        Labelled cells, as for `scatd.predict`, or the path of such a file. It is not changed.
    drug
        Name in any spelling.
    {options}

    Returns
    -------
    A result that a notebook shows as the report. Its tables are DataFrames: `metrics` (one row a
    metric, with 95% intervals), `predictions` (one row for each model and cell: model, id, truth,
    prob_resistant, 0 to 1, high for resistant), and `tables`, all by name. `words` and `cautions`
    are the finding in sentences; `calibrated` is the new version, where one was made.

    Raises
    ------
    InputError
        When there is no such model, the cells or their labels cannot be used, or goals of the
        calibration cannot be reached. Nothing is then written, logged or registered.

    Examples
    --------
    >>> import scatd
    >>> adata = scatd.datasets.demo().target
    >>> found = scatd.evaluate(  # doctest: +SKIP
    ...     adata, drug="docetaxel", labels="truth_docetaxel"
    ... )
    >>> found.metrics  # doctest: +SKIP
    """
    from scatd.workflows.evaluate.run import evaluate as work

    given = locals()
    with called(command, given, target="adata") as read:
        return work(asked(read(), writes=output is not None))
