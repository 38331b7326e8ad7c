"""`scatd.suggest`: which labels to get next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from scatd.api.arguments import called, with_drugs
from scatd.api.docstrings import documented
from scatd.cli.requests import filled
from scatd.cli.suggest import suggest as command

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File
    from scatd.workflows.suggest.run import SuggestResult


@documented(command)
def suggest(
    adata: Cells,
    drugs: str | Sequence[str] = "all",
    *,
    group_by: str | None = None,
    reference_group: str | None = None,
    combinations: int = 1,
    n: int = 20,
    per: Literal["cell", "group"] = "cell",
    results: File | None = None,
    output: File | None = None,
    stage: str | int = "production",
    family: str | None = None,
    scale: str | None = None,
    layer: str | None = None,
    weights: File | None = None,
    gene_map: File | None = None,
    seed: int = 0,
    device: str = "auto",
    allow_simulated: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> SuggestResult:
    """Name the cells that are worth testing next.

    As `scatd suggest` does. A table is written only where `output` names one.

    Parameters
    ----------
    adata
        Cells, as for `scatd.predict`, or the path of such a file. It is not changed.
    drugs
        Names in any spelling, or all drugs that have a model at `stage`.
    {options}

    Returns
    -------
    A result with `table` (one row a label, in the order to take them: barcode, group, drug,
    probability of resistance from 0 to 1, and the expected reduction of the width of the interval
    of the lead, as a share of all cells from 0 to 1), `words` (the choice as it is now, in
    sentences) and `left_out` (why a drug has no scores).

    Raises
    ------
    InputError
        When there is no choice, no model can read the cells, or results cannot be used.

    Examples
    --------
    >>> import scatd
    >>> adata = scatd.datasets.demo().target
    >>> scatd.suggest(adata, group_by="patient", n=10).table  # doctest: +SKIP
    """
    from scatd.workflows.suggest.request import SuggestRequest
    from scatd.workflows.suggest.run import suggest as work

    given = locals()
    with called(command, given, cohort="adata") as read:
        return work(filled(SuggestRequest, with_drugs(read, drugs)))
