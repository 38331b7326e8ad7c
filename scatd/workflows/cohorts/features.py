"""The features that a model reads, taken from a cohort or made from its expression."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from scatd import keys
from scatd.cards.card import Card
from scatd.data.cohort import Cohort
from scatd.data.expression import LOG1P, on_panel
from scatd.data.features import Features, read_features
from scatd.data.findings import Report, Requirements
from scatd.data.genes import Panel
from scatd.data.given import GivenCohort
from scatd.data.limits import MIN_GENES
from scatd.data.opened import OpenedInput, open_input
from scatd.data.preflight import look, require_human
from scatd.data.preparation import Preparation
from scatd.data.table_content import holds_expression
from scatd.embedding.settings import EmbedderRequest
from scatd.errors import FaultKind, InputError, of_kind
from scatd.keys import InputScale
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.cohorts.genes import find_gene_map, find_panel
from scatd.workflows.cohorts.made_input import Embedded, FromExpression
from scatd.workflows.cohorts.scoring_input import AsGiven, ScoringInput

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from anndata import AnnData

READ = "log1p of values scaled to 10,000"
"""The scale that a model of family dist reads, in the words of `data.scale`."""


@contextmanager
def scoring_input(
    source: GivenCohort | AnnData | OpenedInput,
    family: str,
    card: Card,
    preparation: Preparation,
    device: torch.device,
) -> Iterator[ScoringInput]:
    """Open a cohort for a model; its rows are prepared as they are asked for.

    Parameters
    ----------
    source
        A file, an AnnData or an input that is open, with features of the family or with expression
        by genes.
    card
        Of the model.

    Raises
    ------
    InputError
        With all faults of the cohort, or when weights are needed that are not there.
    """
    with open_input(source) as opened:
        if not _needs_preparation(opened, family, card, preparation):
            read = _features_as_given(opened, family, card)
            yield AsGiven(opened, read)
        elif family in keys.BACKENDS:
            with _embedded(opened, family, preparation, device) as made:
                yield made
        else:
            yield _expression(opened, card, preparation)


def what_is_read(card: Card) -> tuple[object, ...]:
    """What a model reads: models with the same can share the features of a cohort."""
    return card.family, card.sizes.n_features, card.about.genes, card.about.input_scale


def _needs_preparation(
    opened: OpenedInput, family: str, card: Card, preparation: Preparation
) -> bool:
    """True where features have to be made; else the input holds them as the model reads them."""
    if family not in keys.BACKENDS:
        # z-scores are taken as they are, by the names of the genes.
        return opened.may_name_genes and card.about.input_scale != "zscore"
    slot = keys.OBSM_FEATURES[family]
    if slot not in opened.embeddings:
        return opened.is_cohort or _is_table_of_genes(opened, card.sizes.n_features)
    if preparation.layer is not None:
        what = f'the model reads obsm["{slot}"], which is there'
        remedy = (
            "Leave --layer out, or embed that layer: scatd embed "
            f"{opened.path} --layer {preparation.layer} -o embedded.h5ad"
        )
        raise InputError(what, where=f"--layer {preparation.layer}", remedy=remedy)
    return False


def _is_table_of_genes(opened: OpenedInput, n_features: int) -> bool:
    if not opened.is_table or not holds_expression(opened.table, n_features):
        return False
    logger.info("%s is a table of genes, so its cells are embedded first.", opened.path)
    return True


def _features_as_given(opened: OpenedInput, family: str, card: Card) -> Features:
    genes = card.about.genes if opened.may_name_genes else None
    width = card.sizes.n_features if genes is None else None
    reads_z_scores = family not in keys.BACKENDS and card.about.input_scale == "zscore"
    scale: InputScale | None = "zscore" if reads_z_scores else None
    features = read_features(
        opened, family, n_features=width, mmap=True, scale=scale, as_stream=True
    )
    return features if genes is None else on_panel(features, Panel(genes, "the model"), "mean")


def _expression(opened: OpenedInput, card: Card, preparation: Preparation) -> FromExpression:
    """Rows of family dist: in the order of the model's genes and on its scale."""
    cohort, genes, input_scale = opened.cohort, card.about.genes, card.about.input_scale
    panel = Panel(genes, "the model") if genes else find_panel(None, cohort)
    # A cell cannot express 200 genes of a panel that has a few hundred.
    min_genes = min(MIN_GENES, max(len(panel) // 10, 1))
    report = _checked(cohort, panel, input_scale, preparation, min_genes)
    normalises = report.scale == "counts" and input_scale != "counts"
    return FromExpression(opened, report, panel, report.matches["model"], normalises=normalises)


def _checked(
    cohort: Cohort,
    panel: Panel,
    input_scale: str | None,
    preparation: Preparation,
    min_genes: int,
) -> Report:
    """The pre-flight report, before the cells are read.

    Raises
    ------
    InputError
        With all faults.
    """
    accepts: tuple[InputScale, ...] = ("counts",) if input_scale == "counts" else ("counts", LOG1P)
    report = look(
        cohort,
        {"model": panel},
        find_gene_map(preparation.gene_map),
        layer=preparation.layer,
        scale=preparation.scale,
        requires=Requirements(accepts, min_genes),
    )
    report.faults.raise_if_any()
    held = report.diagnoses[report.layer]
    if input_scale == LOG1P and held.logarithm and not held.words.startswith(READ):
        what = f"{report.layer} holds {held.words}, and the model reads {READ}"
        report.warnings.append(f"{what}: it is taken as it is. Raw counts are brought to it.")
    return report


@contextmanager
def _embedded(
    opened: OpenedInput, family: str, preparation: Preparation, device: torch.device
) -> Iterator[ScoringInput]:
    """Rows of family sf or gf, embedded from counts block by block."""
    cohort = _counts(opened, family)
    require_human(cohort)
    embedder = _embedder(opened, family, preparation, device)
    report = embedder.look(cohort, layer=preparation.layer, scale=preparation.scale)
    rows, width = embedder.rows(cohort, report), embedder.encoder.width
    with ExitStack() as stack:
        about = embedder.slot, keys.BACKENDS[family], width
        yield Embedded(opened, stack, rows, report, *about)


def _counts(opened: OpenedInput, family: str) -> Cohort:
    """What an embedding is made of.

    Raises
    ------
    InputError
        When there are no counts; it says which embedding is there instead.
    """
    try:
        return opened.cohort
    except InputError as error:
        held = _other_families(opened, family)
        if not held:
            raise
        what = f'... has no obsm["{keys.OBSM_FEATURES[family]}"]{held}, and no counts to make it of'
        expected = f"features of family {family}, or raw counts"
        remedy = "Give the counts, or use a model of a family that is there (--family)."
        raise InputError(
            what, where=str(opened.path), expected=expected, remedy=remedy, kind=error.kind
        ) from error


@of_kind(FaultKind.NO_WEIGHTS)
def _embedder(
    opened: OpenedInput, family: str, preparation: Preparation, device: torch.device
) -> Embedder:
    """The foundation model.

    Raises
    ------
    InputError
        When there are no weights; it says how to embed the cohort.
    """
    backend, weights, gene_map = keys.BACKENDS[family], preparation.weights, preparation.gene_map
    try:
        return Embedder(
            EmbedderRequest(backend, weights=weights, gene_map=gene_map, device=str(device))
        )
    except InputError as error:
        if weights is not None:
            raise
        slot = keys.OBSM_FEATURES[family]
        what = f'... has no obsm["{slot}"], and there are no weights to make it'
        what += f"{_other_families(opened, family)}. {error.what}"
        own = " --weights models.ckpt" if backend == "scfoundation" else ""
        remedy = (
            f"{error.remedy}\nOr embed the cells first: "
            f"scatd embed {opened.path} --backend {backend}{own} -o embedded.h5ad"
        )
        raise InputError(what, where=str(opened.path), remedy=remedy) from error


def _other_families(opened: OpenedInput, family: str) -> str:
    """The embeddings of other families that the file has, for a message."""
    slots = [(slot, of) for of, slot in keys.OBSM_FEATURES.items() if of != family]
    held = [f'obsm["{slot}"] of family {of}' for slot, of in slots if slot in opened.embeddings]
    return f" (it has {' and '.join(held)})" if held else ""
