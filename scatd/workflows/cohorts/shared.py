"""The genes that all cohorts of a transfer have, and why they may be few.

A model on shared genes reads these alone: no gene is filled in. So the share of a panel, below
which a cohort is refused elsewhere, is no limit here. Few shared genes are refused only where they
look like names that are equal by chance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pandas as pd

from scatd.data.features import Features
from scatd.data.genes import KIND_WORDS, Panel, is_numbering, kind_of, origin_of, parse
from scatd.data.limits import REFUSED_BELOW
from scatd.errors import InputError
from scatd.wording import counted

logger = logging.getLogger(__name__)

OPTION = "--panel shared"
FEWEST_SHARED = 50
"""So many shared genes are taken, whatever their share of a cohort. Names of different kinds, and
of different species, agree less often by chance; and profiles of fewer genes hold few programmes.
Fewer genes are taken where they are `REFUSED_BELOW` of the smallest cohort: a targeted panel."""
_SELECTED = 2000
"""A cohort of fewer genes holds selected genes, not a whole transcriptome."""
_SPELLED = 2
"""So many times more genes are shared by another spelling, where spelling is the reason."""


def shared_panel(cohorts: Sequence[Features]) -> Panel:
    """The genes that all cohorts have, in the order of the first.

    Parameters
    ----------
    cohorts
        With names of genes.

    Raises
    ------
    InputError
        When the cohorts share too few genes; it names the reason and the remedy.
    """
    shared = set.intersection(*(set(cohort.names or ()) for cohort in cohorts))
    genes = tuple(dict.fromkeys(name for name in cohorts[0].names or () if name in shared))
    sizes = ", ".join(f"{cohort.path.name} {cohort.n_features}" for cohort in cohorts)
    share = len(genes) / min(cohort.n_features for cohort in cohorts)
    numbered = [cohort for cohort in cohorts if is_numbering(cohort.names or ())]
    if numbered or not genes or (len(genes) < FEWEST_SHARED and share < REFUSED_BELOW):
        reason, remedy = _why_few(cohorts, len(genes))
        what = f"the cohorts share {counted(len(genes), 'gene')} ({sizes}): {reason}"
        expected = f"at least {FEWEST_SHARED}, or {REFUSED_BELOW:.0%} of the smallest cohort"
        raise InputError(what, where=OPTION, expected=expected, remedy=remedy)
    logger.info("Panel: %s that all cohorts have (%s)", counted(len(genes), "gene"), sizes)
    if share < REFUSED_BELOW:
        reason, remedy = _why_few(cohorts, len(genes))
        losses = _losses(cohorts, len(genes))
        what = (
            f"The model reads the {counted(len(genes), 'shared gene')} alone ({losses}): {reason}. "
            f"{remedy}"
        )
        logger.warning("%s", what)
    return Panel(genes, "shared genes")


def _why_few(cohorts: Sequence[Features], n_shared: int) -> tuple[str, str]:
    """Reason why few genes are shared, and the remedy."""
    names = [list(cohort.names or ()) for cohort in cohorts]
    files = [cohort.path.name for cohort in cohorts]
    for file, own in zip(files, names, strict=True):
        if is_numbering(own):
            remedy = "Write the names of its genes into the header, or into var_names."
            return f"the columns of {file} are numbered and name no genes", remedy
    kinds = [KIND_WORDS[kind_of(own)] for own in names]
    if len(set(kinds)) > 1:
        remedy = (
            f"Bring all to the names of one: scatd prepare {files[-1]} --panel {files[0]} "
            f"--gene-map FILE (scatd download gene-map)."
        )
        return f"they name genes differently ({_each(files, kinds)})", remedy
    species = [origin_of(pd.DataFrame(index=own)).species for own in names]
    if len(set(filter(None, species))) > 1:
        said = [one or "unknown" for one in species]
        remedy = "Map the genes to human orthologues first."
        return f"they are of different species ({_each(files, said)})", remedy
    keys = [{parse(name).key.casefold() for name in own} for own in names]
    n_by_key = len(set.intersection(*keys))
    if n_by_key >= max(_SPELLED * n_shared, 1) and n_by_key > n_shared:
        examples = ", ".join(own[0] for own in names)
        remedy = "Write names in the same way: without versions, in the same capitals."
        return f"{n_by_key} are the same genes in other spellings (first: {examples})", remedy
    return _selection(files, names, kinds[0], n_shared)


def _selection(
    files: Sequence[str], names: Sequence[Sequence[str]], kind: str, n_shared: int
) -> tuple[str, str]:
    """Names of one kind: one cohort holds few genes, or the cohorts hold different ones."""
    sizes = [len(own) for own in names]
    small = [
        f"{file} ({size})" for file, size in zip(files, sizes, strict=True) if size < _SELECTED
    ]
    if len(names) > 2:
        without = [
            len(set.intersection(*(set(own) for own in names if own is not left_out)))
            for left_out in names
        ]
        best = max(range(len(names)), key=lambda place: without[place])
        if without[best] > 2 * max(n_shared, 1):
            reason = f"without {files[best]} they would share {without[best]}"
            return reason, f"Give {files[best]} with all of its genes, or leave it out."
    if small:
        reason = f"all have {kind}, and selected genes only are in {', '.join(small)}"
    else:
        reason = f"all have {kind}, and hold different genes"
    remedy = (
        "Give the whole expression matrices, not selected genes; or name the genes to read, of "
        "which missing ones count as 0: --panel FILE."
    )
    return reason, remedy


def _losses(cohorts: Sequence[Features], n_shared: int) -> str:
    return ", ".join(
        f"{cohort.path.name} loses {cohort.n_features - n_shared} of {cohort.n_features}"
        for cohort in cohorts
    )


def _each(files: Sequence[str], words: Sequence[str]) -> str:
    return ", ".join(f"{file}: {word}" for file, word in zip(files, words, strict=True))
