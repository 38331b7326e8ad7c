"""The same counts in text tables, each as some program or person writes it.

A writer takes a new, empty folder and a table of cells x genes (whole numbers, genes by
symbol), and returns the path to give to scatd. `TEXT_WRITERS` has them by name.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

Writer = Callable[[Path, pd.DataFrame], Path]
TEXT_WRITERS: dict[str, Writer] = {}


def writer(name: str, /, **options: Any) -> Callable[[Callable[..., Path]], Callable[..., Path]]:
    """Put a function under a name of `TEXT_WRITERS`, with what it is called with."""

    def put(function: Callable[..., Path]) -> Callable[..., Path]:
        TEXT_WRITERS[name] = lambda folder, counts: function(folder, counts, **options)
        return function

    return put


def lines_of(table: pd.DataFrame, quote: str) -> list[list[str]]:
    """Fields of every line: the header with an empty corner, then the rows."""
    names = [f"{quote}{name}{quote}" for name in table.columns]
    ids = [f"{quote}{name}{quote}" for name in table.index]
    rows = table.astype(str).to_numpy().tolist()
    return [["", *names], *([name, *row] for name, row in zip(ids, rows, strict=True))]


@writer("cells x genes, csv", name="cells.csv", separator=",", turned=False)
@writer("cells x genes, tsv", name="cells.tsv", separator="\t", turned=False)
@writer("cells x genes, gz", name="cells.csv.gz", separator=",", turned=False)
@writer("genes x cells, csv", name="cells.csv", separator=",")
@writer("genes x cells, tsv", name="cells.tsv", separator="\t")
@writer("genes x cells, txt.gz", name="cells.txt.gz", separator="\t")
@writer("semicolons", name="cells.csv", separator=";")
@writer("pipes", name="cells.txt", separator="|")
@writer("quotes", name="cells.csv", separator=",", quote='"')
@writer("CRLF", name="cells.csv", separator=",", ending="\r\n")
@writer("CR", name="cells.tsv", separator="\t", ending="\r")
@writer("byte order mark", name="cells.csv", separator=",", encoding="utf-8-sig")
@writer("UTF-16", name="cells.tsv", separator="\t", encoding="utf-16")
@writer("no last line end", name="cells.csv", separator=",", last="")
@writer("blank lines at the end", name="cells.csv", separator=",", last="\n\n\n")
@writer("a corner with a title", name="cells.tsv", separator="\t", corner="gene_id")
@writer("a remark", name="cells.csv", separator=",", before=["# counts, UMI deduplicated"])
@writer("remarks", name="cells.tsv", separator="\t", before=["##", "## a\tb\tc", "## x, y", "##"])
@writer("blank lines before", name="cells.csv", separator=",", before=["", ""])
@writer("sep= line", name="cells.csv", separator=";", before=["sep=;"])
@writer("a separator ends the rows", name="cells.tsv", separator="\t", tail=(0, 1))
@writer("a separator ends all lines", name="cells.csv", separator=",", tail=(1, 1))
@writer("separators end all lines", name="cells.csv", separator=",", tail=(3, 3))
@writer("R, tabs", name="cells.txt", separator="\t", from_r=True)
@writer("R, blanks", name="cells.txt", separator=" ", from_r=True, quote='"')
@writer("R, blanks, gz", name="cells.txt.gz", separator=" ", from_r=True, quote='"')
@writer("R, commas", name="cells.csv", separator=",", from_r=True, quote='"')
def text(
    folder: Path,
    counts: pd.DataFrame,
    *,
    name: str,
    separator: str,
    turned: bool = True,
    quote: str = "",
    ending: str = "\n",
    encoding: str = "utf-8",
    last: str | None = None,
    corner: str = "",
    before: Sequence[str] = (),
    tail: tuple[int, int] = (0, 0),
    from_r: bool = False,
) -> Path:
    """A table with a separator, quotes, line ends, remarks and trailing separators of its own."""
    header, *rows = lines_of(counts.T if turned else counts, quote)
    header[0] = corner
    if from_r:
        header = header[1:]
    header += [""] * tail[0]
    rows = [row + [""] * tail[1] for row in rows]
    lines = [*before, separator.join(header), *map(separator.join, rows)]
    content = (ending.join(lines) + (ending if last is None else last)).encode(encoding)
    path = folder / name
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    return path


@writer("featureCounts", remark=True)
@writer("featureCounts without its remark", remark=False)
def feature_counts(folder: Path, counts: pd.DataFrame, *, remark: bool) -> Path:
    """A table of featureCounts (Subread)."""
    table = counts.T.rename_axis("Geneid").reset_index()
    places = {"Chr": "chr1;chr1", "Start": "100;300", "End": "200;400", "Strand": "+;+"}
    for place, (title, value) in enumerate({**places, "Length": 202}.items(), start=1):
        table.insert(place, title, value)
    text = table.to_csv(sep="\t", index=False)
    said = '# Program:featureCounts v2.0.1; Command:"featureCounts" "-o" "counts.txt" "c0.bam"\n'
    path = folder / "counts.txt"
    path.write_text((said if remark else "") + text)
    return path


@writer("names beside ids")
def with_names(folder: Path, counts: pd.DataFrame) -> Path:
    """Genes by symbol, with columns that describe them."""
    table = counts.T.rename_axis("gene_name").reset_index()
    table.insert(1, "entrez", range(1, len(table) + 1))
    table.insert(2, "biotype", "protein_coding")
    table["width"] = 1000
    table.to_csv(folder / "counts.csv", index=False)
    return folder / "counts.csv"


@writer("DepMap", pattern="{name} ({number})", turned=False)
@writer("TCGA", pattern="{name}|{number}")
@writer("a genome before", pattern="GRCh38_{name}")
@writer("a genome and a dash before", pattern="GRCh38-{name}")
@writer("three lines under a genome", pattern="hg38___{name}")
def named(folder: Path, counts: pd.DataFrame, *, pattern: str, turned: bool = True) -> Path:
    """Names of genes with something beside the symbol."""
    names = [pattern.format(name=name, number=n) for n, name in enumerate(counts, start=1000)]
    table = counts.set_axis(names, axis=1)
    (table.T if turned else table).to_csv(folder / "cells.csv")
    return folder / "cells.csv"


@writer("parquet")
def parquet(folder: Path, counts: pd.DataFrame) -> Path:
    """A table as pandas writes it."""
    counts.T.to_parquet(folder / "cells.parquet")
    return folder / "cells.parquet"
