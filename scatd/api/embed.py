"""`scatd.embed`: embeddings of raw counts by a foundation model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scatd.api.arguments import called
from scatd.api.docstrings import documented
from scatd.cli.embed import embed as command
from scatd.cli.requests import filled
from scatd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from scatd.api.arguments import Cells, File


@documented(command)
def embed(
    adata: Cells,
    backend: str,
    *,
    copy: bool = False,
    weights: File | None = None,
    output: File | None = None,
    input_type: str = "singlecell",
    pre_normalized: str = "F",
    tgthighres: str = "f1",
    pool: str = "all",
    version: str = "rde",
    dictionaries: File | None = None,
    panel: File | None = None,
    gene_map: File | None = None,
    scale: str | None = None,
    layer: str | None = None,
    precision: str = "float32",
    rows: str | None = None,
    device: str = "auto",
    scheduler: str | None = None,
    allow_insecure: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> AnnData | None:
    """Embed raw counts with a foundation model.

    As `scatd embed` does. Cells that were embedded before are taken from the cache.

    Parameters
    ----------
    adata
        Cells with raw counts by genes, or the path of such a file. An AnnData is annotated in
        place.
    backend
        The foundation model: scfoundation for family sf, geneformer for family gf.
    copy
        Annotate a copy, and return it.
    {options}

    Returns
    -------
    None where `adata` was annotated in place, or `output` names a file for a path; else the
    annotated AnnData. The embedding is `obsm["X_scfoundation"]` or `obsm["X_geneformer"]`,
    (n_obs, width) float32, NaN for a cell that has none; `obs["X_scfoundation_reason"]` then says
    why.

    Raises
    ------
    InputError
        When the cells, the weights or the options cannot be used.

    Examples
    --------
    >>> import scatd
    >>> scatd.embed(adata, backend="scfoundation", weights="models.ckpt")  # doctest: +SKIP
    """
    from scatd.data.opened import open_input
    from scatd.scheduling.address import Machines
    from scatd.workflows.embed.output import annotate
    from scatd.workflows.embed.request import EmbedRequest
    from scatd.workflows.embed.run import embed as work

    given = locals()
    with called(command, given, input="adata") as read:
        request = filled(EmbedRequest, read())
        if request.rows is not None and copy:
            what, remedy = "copy=True returns all cells", "Leave one of the two out."
            raise InputError(what, where="--rows", remedy=remedy)
        if output is not None:
            work(request)
        # What was embedded is in the cache by now.
        in_memory = replace(request, output=None, rows=None, machines=Machines())
        with open_input(request.input) as opened:
            if opened.adata is None and output is not None and not copy:
                return None
            made = work(in_memory).embedding
            assert made is not None
            is_new = copy or opened.adata is None
            cohort = opened.whole() if is_new else opened.adata
            assert cohort is not None
            annotate(cohort, made)
            return cohort if is_new else None
