"""`scatd.screen`: one cohort, every drug."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scatd.api.arguments import called, with_drugs
from scatd.api.docstrings import documented
from scatd.cli.requests import filled
from scatd.cli.screen import screen as command

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File
    from scatd.workflows.screen.run import ScreenResult


@documented(command)
def screen(
    adata: Cells,
    drugs: str | Sequence[str] = "all",
    *,
    group_by: str | None = None,
    clusters: str | None = None,
    combinations: int = 3,
    patients: str | None = None,
    reference_group: str | None = None,
    output: File | None = None,
    stage: str | int = "production",
    family: str | None = None,
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
) -> ScreenResult:
    """Score a cohort for every drug, group by group.

    As `scatd screen` does. A folder is written only where `output` names one.

    Parameters
    ----------
    adata
        Cells, as for `scatd.predict`, or the path of such a file. It is not changed.
    drugs
        Names in any spelling, or all drugs that have a model at `stage`.
    {options}

    Returns
    -------
    A result that a notebook shows as the report. Its tables are DataFrames: `drugs` (one row a
    drug, most resistant cells first), `fractions` (share of resistant cells of each drug and group,
    0 to 1, with its 95% interval), `matrix` (groups x drugs), and `cells` (one row a cell, with the
    score of every drug, 0 to 1, high for resistant). With several drugs, `combinations` (one row a
    set of drugs: share of cells left, 0 to 1, with its 90% interval) and `groups` (what the drugs
    leave of each group). `left_out` says why a drug has no scores.

    Raises
    ------
    InputError
        When there is no model, or none can read the cells.

    Examples
    --------
    >>> import scatd
    >>> adata = scatd.datasets.demo().target
    >>> scatd.screen(adata, group_by="patient").matrix  # doctest: +SKIP
    """
    from scatd.workflows.screen.request import ScreenRequest
    from scatd.workflows.screen.run import screen as work

    given = locals()
    with called(command, given, cohort="adata") as read:
        return work(filled(ScreenRequest, with_drugs(read, drugs), writes=output is not None))
