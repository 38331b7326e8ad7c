"""`scatd.explain`: the features behind the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from scatd.api.arguments import called
from scatd.api.docstrings import documented
from scatd.cli.explain import asked
from scatd.cli.explain import explain as command

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File, Labels
    from scatd.workflows.explain.run import ExplainResult


@documented(command)
def explain(
    adata: Cells,
    drug: str,
    *,
    keep_cells: bool = True,
    output: File | None = None,
    published_csv: File | None = None,
    stage: str | int = "production",
    family: str | None = None,
    method: str | None = None,
    baseline: str | None = None,
    target: str | None = None,
    logits: str | None = None,
    steps: int | None = None,
    samples: int | None = None,
    noise: float | None = None,
    top: int | None = None,
    seed: int | None = None,
    group_by: str | None = None,
    no_controls: bool = False,
    source: Cells | None = None,
    labels: Labels | None = None,
    label_map: str | Mapping[str, str] | None = None,
    permutations: int = 20,
    gene_cells: int = 0,
    alignment: str | None = None,
    stats: str = "reference",
    scale: str | None = None,
    layer: str | None = None,
    weights: File | None = None,
    gene_map: File | None = None,
    device: str = "auto",
    allow_simulated: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> ExplainResult:
    """Find the features that drive the scores, and test the list.

    As `scatd explain` does: tables and figures are in a tracked run.

    Parameters
    ----------
    adata
        Cells, as for `scatd.predict`, or the path of such a file. It is not changed.
    drug
        Name in any spelling.
    keep_cells
        Keep the attributions of every cell in the result (`adata`): 8 bytes for each cell and
        feature.
    {options}

    Returns
    -------
    A result that a notebook shows. Its tables are DataFrames: `importance` (one row a feature, most
    important first; a positive mean attribution pushes towards resistant), `controls` (the tests of
    the list), `convergence`, `by_group`. `label` says whether the list passed its controls. `adata`
    is an AnnData of cells x features: values in `X`, attributions of the logit of resistant in
    `layers["attribution_resistant"]`, scores in `obs`, importance in `varm`.

    Raises
    ------
    InputError
        When there is no such model, or the cells cannot be used.

    Examples
    --------
    >>> import scatd
    >>> adata = scatd.datasets.demo().target
    >>> scatd.explain(adata, drug="docetaxel").importance.head()  # doctest: +SKIP
    """
    from scatd.workflows.explain.run import explain as work

    given = locals()
    with called(command, given, input="adata") as read:
        return work(asked(read(), keeps_cells=bool(keep_cells)))
