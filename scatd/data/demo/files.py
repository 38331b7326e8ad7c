"""Demo cohorts on disk, and the gene panel that they may use."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scatd.data.demo.simulate import DemoSettings, simulate
from scatd.data.files import atomic_path, check_writable, reading, require_existing
from scatd.errors import InputError

_HEADERS = {"gene", "gene_name", "gene_symbol", "gene_symbols", "symbol"}


def write_demo(
    folder: Path, settings: DemoSettings, panel: Sequence[str] | None = None
) -> dict[str, Path]:
    """Simulate the demo cohorts and write each as `folder/{name}.h5ad`.

    Parameters
    ----------
    folder
        Made when it does not exist.
    settings, panel
        As in `simulate`.

    Raises
    ------
    InputError
        When the folder cannot be made or written to, or there are too few genes.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder cannot be made ({error.strerror})"
        raise InputError(what, where=str(folder), remedy="Choose another folder.") from error
    check_writable(folder / "source.h5ad")
    written = {}
    for name, cohort in simulate(settings, panel).items():
        written[name] = folder / f"{name}.h5ad"
        with atomic_path(written[name]) as temporary:
            cohort.write_h5ad(temporary)
    return written


def read_panel(path: Path) -> list[str]:
    """Gene symbols of a text, csv or tsv file with one gene a row.

    A first row that names a column gene, gene_name, gene_symbol or symbol is a header and chooses
    the column; otherwise the first column of every row counts.

    Raises
    ------
    InputError
        When the file is missing, no text, empty, or names a gene twice.
    """
    require_existing(path)
    with reading(path, "a text file"):
        text = path.read_text(encoding="utf-8-sig")
    delimiter = "\t" if "\t" in text else ","
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
    titles = [field.strip().casefold() for field in rows[0]] if rows else []
    column = next((place for place, title in enumerate(titles) if title in _HEADERS), None)
    if column is not None:
        rows = rows[1:]
    symbols = [row[column or 0].strip() if len(row) > (column or 0) else "" for row in rows]
    if not symbols or not all(symbols):
        what = "names no gene" if not symbols else f"row {symbols.index('') + 1} names no gene"
        raise InputError(what, where=str(path), expected="one gene symbol a row")
    repeated = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if repeated:
        what = f"{len(repeated)} genes are named more than once, such as {repeated[0]}"
        raise InputError(what, where=str(path), remedy="Keep each gene once.")
    return symbols
