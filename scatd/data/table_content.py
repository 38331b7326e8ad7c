"""What a table without `obsm` holds: expression of genes, or the embedding of a family."""

from __future__ import annotations

import numpy as np

from scatd.data.gene_titles import GENE_TITLES, folded
from scatd.data.readers.orientation import bears_genes
from scatd.data.tables import Table
from scatd.data.text.values import judge

_ROWS_LOOKED_AT = 64


def holds_expression(table: Table, n_features: int) -> bool:
    """True for a table of genes, whichever axis they are on; False for an embedding.

    One rule decides. Names of genes on an axis, or a first column with their title, mean
    expression. Without them, a table of the width of the embedding is one. Of other widths, whole
    numbers mean counts, under names that are no human genes.

    Parameters
    ----------
    n_features
        Features of the embedding.
    """
    if not table.header:
        return False
    if folded(table.header[0]) in GENE_TITLES or bears_genes(table.header[1:], table.row_names):
        return True
    is_as_wide = len(table.header) - n_features in (0, 1)  # with a column of ids, or without
    return not is_as_wide and _holds_counts(table)


def genes_are_rows_of(table: Table) -> bool:
    """True for genes x cells: the rows bear names of genes, or their title, and no column does."""
    if not table.header or bears_genes(table.header[1:]):
        return False
    return folded(table.header[0]) in GENE_TITLES or bears_genes(table.row_names)


def _holds_counts(table: Table) -> bool:
    head = table.head(_ROWS_LOOKED_AT)
    judged = [judge(head[column], table.decimal) for column in range(1, len(table.header))]
    values = [found.numbers for found in judged if found.kind == "numbers"]
    if not values:
        return False
    X = np.concatenate(values)
    return bool((X >= 0).all() and (np.rint(X) == X).all() and len(np.unique(X)) > 2)
