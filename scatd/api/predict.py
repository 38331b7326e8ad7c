"""`scatd.predict`: scores of cells, written into their AnnData."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.api.arguments import called, names_of
from scatd.api.docstrings import documented
from scatd.cli.predict import predict as command
from scatd.cli.requests import filled
from scatd.errors import InputError
from scatd.keys import ANNOTATED_SUFFIXES

if TYPE_CHECKING:
    from anndata import AnnData

    from scatd.api.arguments import Cells, File
    from scatd.data.opened import OpenedInput
    from scatd.registry.loaded import Loaded
    from scatd.workflows.predict.request import PredictedCells, PredictRequest


@documented(command)
def predict(
    adata: Cells,
    drug: str | Sequence[str] | None = None,
    *,
    copy: bool = False,
    output: File | None = None,
    stage: str | int = "production",
    family: str | None = None,
    threshold: float | None = None,
    mc_samples: int = 0,
    uncertainty: str | Sequence[str] = (),
    alignment: str | None = None,
    stats: str = "reference",
    stats_from: Cells | None = None,
    scale: str | None = None,
    layer: str | None = None,
    weights: File | None = None,
    gene_map: File | None = None,
    rows: str | None = None,
    drug_smiles: str | None = None,
    smiles_table: File | None = None,
    scheduler: str | None = None,
    allow_insecure: bool = False,
    seed: int = 0,
    device: str = "auto",
    allow_simulated: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> AnnData | None:
    """Score every cell: the probability that it resists a drug.

    The numbers are those of `scatd predict`, to the bit.

    Parameters
    ----------
    adata
        Cells with the features of the model's family (`obsm["X_scfoundation"]`,
        `obsm["X_geneformer"]`, or expression for family dist), or raw counts; or the path of such a
        file, of any kind that `scatd predict` reads. An AnnData is annotated in place.
    drug
        Name in any spelling, or a list of names. Of several drugs, all are scored before anything
        is written. None for a structure without a name (`drug_smiles`).
    copy
        Annotate a copy, and return it.
    {options}

    Returns
    -------
    None where `adata` was annotated in place; else the annotated AnnData. For a path it holds the
    whole file; with `output`, a file is written in its place, and None is returned. What is
    written:

    `obs["scatd_DRUG_prob_resistant"]`
        P(resistant), 0 to 1. High: the cell resists the drug. NaN for a cell without a score.
    `obs["scatd_DRUG_relative_response"]`
        In place of both, for a drug that is given by its structure. High: the cell is expected to
        resist the drug more than others. No probability.
    `obs["scatd_DRUG_response"]`
        sensitive, resistant or abstain.
    `obs["scatd_DRUG_reason"]`
        Why a cell has no score; empty where it has one.
    `obs["scatd_DRUG_ood"]`, `obs["scatd_DRUG_ood_p"]`
        Whether the cell lies outside the cells of the training, and the p value of that; where the
        model knows its training domain.
    `obsm["X_scatd_FAMILY"]`
        Posterior means of the encoder, (n_obs, n_latent), where the model has one.
    `uns["scatd"]["DRUG"]`
        Model, version, run, threshold, polarity, alignment and versions.

    `DRUG` is the drug's key, such as `5fluorouracil`.

    Raises
    ------
    InputError
        When there is no such model, or the cells cannot be used. Nothing is then written.

    Examples
    --------
    >>> import scatd
    >>> adata = scatd.datasets.demo().target
    >>> scatd.predict(adata, drug="docetaxel")  # doctest: +SKIP
    >>> adata.obs["scatd_docetaxel_prob_resistant"]  # doctest: +SKIP
    """
    given = locals()
    with called(command, given, input="adata") as read:
        names = [None] if drug is None else names_of(drug)
        return score([read(drug=name) for name in names], copy=copy)


def score(
    asked: Sequence[dict[str, Any]], *, copy: bool, model: Loaded | None = None
) -> AnnData | None:
    """Score one cohort as each of some calls asks, then write all scores.

    Parameters
    ----------
    asked
        Parameters of the command, one call a drug; they differ in their drug only.
    copy
        As in `predict`.
    model
        A model that is loaded; None finds that of each drug.
    """
    from scatd.data.opened import open_input
    from scatd.workflows.predict.by_structure import predict_by_structure
    from scatd.workflows.predict.output import require_output
    from scatd.workflows.predict.request import PredictRequest
    from scatd.workflows.predict.run import score_into_files

    requests = [filled(PredictRequest, one) for one in asked]
    output = requests[0].output
    if output is not None:
        require_output(output)
        if len(requests) > 1 and output.suffix not in ANNOTATED_SUFFIXES:
            what = f"{output} holds the scores of one drug"
            expected = "a file .h5ad or .zarr for several drugs"
            raise InputError(what, where="output=", expected=expected)
    given = requests[0].input
    assert given is not None
    if isinstance(given, Path) and output is not None and not copy and len(requests) == 1:
        if requests[0].is_by_structure:
            predict_by_structure(requests[:1])
        else:
            score_into_files(requests[:1], _loaded(requests[0], model))  # never whole in memory
        return None
    if output is not None and (requests[0].rows or requests[0].machines.scheduler):
        what = "rows= and scheduler= are for the scores of one drug, without copy=True"
        raise InputError(what, where="output=", remedy="Score the drugs one after the other.")
    in_memory = [replace(one, output=None) for one in requests]
    with open_input(given) as opened:
        results = [_scored(one, opened, model) for one in in_memory]
        return _written(results, opened, output, copy=copy)


def _scored(request: PredictRequest, opened: OpenedInput, model: Loaded | None) -> PredictedCells:
    from scatd.workflows.predict.by_structure import score_opened_by_structure
    from scatd.workflows.predict.run import score_opened

    if request.is_by_structure:
        return score_opened_by_structure(request, opened)
    loaded = _loaded(request, model)
    return score_opened(request, loaded.ref, loaded.scorer, opened)


def _loaded(request: PredictRequest, model: Loaded | None) -> Loaded:
    from scatd.nn.devices import pick_device
    from scatd.registry.loaded import load_model

    if model is not None:
        return model
    return load_model(
        request.named_drug, request.family, request.stage, pick_device(request.device)
    )


def _written(
    results: Sequence[PredictedCells], opened: OpenedInput, output: Path | None, *, copy: bool
) -> AnnData | None:
    """Write the scores to the AnnData that was given, to a file, or to a new AnnData."""
    from scatd.workflows.predict.output import annotate, scored_cohort, write_prediction

    is_file = opened.adata is None
    if output is not None:
        write_prediction(results, opened, output)
        if is_file and not copy:
            return None
    if is_file or copy:
        return scored_cohort(results, opened)
    assert opened.adata is not None
    for result in results:
        annotate(opened.adata, result)
    return None
