"""`scatd.prepare`: expression in the order of a model's genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scatd.api.arguments import called
from scatd.api.docstrings import documented
from scatd.cli.prepare import prepare as command
from scatd.cli.requests import filled
from scatd.data.limits import MIN_GENES

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File
    from scatd.workflows.prepare.run import PrepareResult


@documented(command)
def prepare(
    adata: Cells,
    *,
    output: File | None = None,
    panel: File | None = None,
    gene_map: File | None = None,
    scale: str | None = None,
    layer: str | None = None,
    min_genes: int = MIN_GENES,
    drop: bool = False,
    survival: File | None = None,
    rows: str | None = None,
    scheduler: str | None = None,
    allow_insecure: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> PrepareResult:
    """Bring expression into the order of a model's genes.

    As `scatd prepare` does. Values are not normalised: counts stay counts.

    Parameters
    ----------
    adata
        Cells or samples with expression by genes, or the path of a file that `scatd prepare` reads.
        It is not changed.
    {options}

    Returns
    -------
    A result that a notebook shows. `adata` is the prepared cohort: a new AnnData, (n_obs, n_genes),
    sparse, with the quality of each cell in `obs`; None where `output` names a file, which then
    holds it. `genes` is a DataFrame with one row a gene of the panel: whether and where it was
    found. `cells` has the quality of each cell.

    Raises
    ------
    InputError
        With every fault that the check found.

    Examples
    --------
    >>> import scatd
    >>> raw = scatd.datasets.demo().target_raw
    >>> scatd.prepare(raw, panel="genes.txt").adata  # doctest: +SKIP
    """
    from scatd.workflows.prepare.request import PrepareRequest
    from scatd.workflows.prepare.run import prepare as work
    from scatd.workflows.prepare.run import prepare_in_memory

    given = locals()
    with called(command, given, input="adata") as read:
        request = filled(PrepareRequest, read())
        return prepare_in_memory(request) if request.output is None else work(request)
