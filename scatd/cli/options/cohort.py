"""Options about a cohort: its labels, its groups, and how its expression is read."""

from __future__ import annotations

from scatd import ranges
from scatd.cli import path_or_name, paths, values
from scatd.cli.former import FormerName
from scatd.cli.options.build import Decorator, option, together
from scatd.data.limits import MIN_GENES
from scatd.keys import InputScale, LabelKind

label_map = option(
    "--label-map",
    values.LABEL_MAP,
    "Words for sensitive and resistant, where the labels use others.",
    metavar="S=sensitive,R=resistant",
)
gene_map = option(
    "--gene-map",
    paths.FILE,
    "Table of gene names: an export of HGNC, Ensembl BioMart or NCBI.  "
    "[default: the one in the cache]",
)
layer = option(
    "--layer",
    values.LAYER,
    "Matrix to read: X, raw or the name of a layer.  [default: the one with counts, or with the "
    "scale that --scale names; several that differ are refused]",
)
rows = option(
    "--rows",
    values.ROWS,
    "Only these rows, counted from 0: A:B with A and B multiples of 512, or A: up to the end. The "
    "output is a part, with a note beside it; scatd join puts parts together.  [default: all]",
)
min_genes = option(
    "--min-genes",
    ranges.CountOrNone,
    "Expressed genes that a cell needs to pass QC; the default is the published number.",
    MIN_GENES,
)
weights = option(
    "--weights",
    path_or_name.WEIGHTS,
    "Foundation model that embeds raw counts, for families sf and gf.  "
    "[default: the downloaded one]",
)


def labels(help_text: str, names: str = "--labels") -> Decorator:
    """`--labels`: a column of obs, a table, or a column of a table."""
    return option(names, path_or_name.LABELS, help_text)


def label_kind(help_text: str, names: str = "--label-kind") -> Decorator:
    """`--label-kind`: what labels mean."""
    return option(names, values.OfData(LabelKind), help_text)


def group_by(help_text: str, former: str | None = None) -> Decorator:
    """`--group-by`: a column such as the patient; `former` is an earlier name of the option."""
    now = option("--group-by", values.COLUMN, help_text)
    if former is None:
        return now
    said = "Former name of --group-by.  [default: none]"
    return together(now, option(former, values.COLUMN, said, cls=FormerName, now="--group-by"))


def panel(help_text: str) -> Decorator:
    """`--panel`: a list of genes (txt, csv, tsv), or a cohort whose genes are the list."""
    return option("--panel", paths.EXISTING, help_text)


def scale(help_text: str, default: str | None = None) -> Decorator:
    """`--scale`: the scale of the values in the cohort."""
    return option("--scale", values.OfData(InputScale), help_text, default)


checked_scale = scale(
    "Scale of the values, if they are not counts; it is checked.  [default: counts]"
)
read_expression = together(gene_map, checked_scale, layer)
"""How the matrix and the genes of a file of counts are found."""


def read_as_features(argument: str) -> Decorator:
    """How the cells named by `argument` become features of a model."""
    found = scale(f"Scale of the expression in {argument}.  [default: found from the values]")
    return together(found, layer, weights, gene_map)
