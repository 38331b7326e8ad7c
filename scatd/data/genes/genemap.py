"""Gene maps: tables from Ensembl ids, Entrez ids and older names to approved symbols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scatd.data.files import sha256_file
from scatd.data.gene_titles import id_columns, symbol_column
from scatd.data.tables import read_table
from scatd.errors import InputError

MAP_COLUMNS = (
    "a column of approved symbols (Gene name, symbol) beside Ensembl ids (Gene stable ID, "
    "ensembl_gene_id), Entrez ids (NCBI gene ID, entrez_id) or older names (Gene Synonym, "
    "alias_symbol, prev_symbol)"
)
_OLDER = (
    *("gene synonym", "alias_symbol", "prev_symbol", "synonyms", "synonym"),
    *("alias symbols", "previous symbols", "alias symbol", "previous symbol"),
)


@dataclass(frozen=True, eq=False)
class GeneMap:
    """Approved symbols of human genes, and their other names.

    Parameters
    ----------
    approved
        Approved symbols.
    ensembl, entrez
        Approved symbol of each id.
    older
        Approved symbols of each previous symbol or synonym. A name that is approved for another
        gene does not count as older. Several symbols: the name is ambiguous.
    origin, sha256
        File name, and hash of its bytes.
    """

    approved: frozenset[str]
    ensembl: dict[str, str]
    entrez: dict[str, str]
    older: dict[str, tuple[str, ...]]
    origin: str = ""
    sha256: str = ""

    @classmethod
    def read(cls, path: Path) -> GeneMap:
        """Read a table with a header row: csv, tsv or txt, plain or gzipped.

        Exports of Ensembl BioMart, HGNC (`hgnc_complete_set.txt`, custom downloads) and NCBI
        (`Homo_sapiens.gene_info`) can be read directly. Several names in one field are separated by
        `|` or commas.

        Raises
        ------
        InputError
            When the file cannot be read or its columns are unknown.
        """
        frame = read_table(path, as_text=True)
        titles = {str(column).strip().casefold(): column for column in frame.columns}
        symbol = symbol_column(list(frame.columns))
        ids = id_columns(list(frame.columns))
        entrez = next((column for column in ids if _are_numbers(frame[column])), None)
        ensembl = next((column for column in ids if not _are_numbers(frame[column])), None)
        older = [titles[title] for title in _OLDER if title in titles]
        if symbol is None or (ensembl is None and entrez is None and not older):
            found = ", ".join(map(str, frame.columns[:8]))
            what = f"... is no gene map (its columns are {found})"
            raise InputError(what, where=str(path), expected=MAP_COLUMNS)
        frame = frame[frame[symbol] != ""]
        approved = frozenset(frame[symbol])
        return cls(
            approved,
            _pairs(frame, ensembl, symbol),
            _pairs(frame, entrez, symbol),
            _older_names(frame, older, symbol, approved),
            str(path),
            sha256_file(path),
        )


def _are_numbers(column: pd.Series) -> bool:
    """True when a column holds Entrez ids: numbers, with or without gaps."""
    return all(value.partition(".")[0].isdecimal() for value in column if value)


def _pairs(frame: pd.DataFrame, column: str | None, symbol: str) -> dict[str, str]:
    if column is None:
        return {}
    pairs = frame[[column, symbol]].drop_duplicates(column)
    ids = pairs[column].str.partition(".")[0]
    found = dict(zip(ids, pairs[symbol], strict=True))
    found.pop("", None)
    return found


def _older_names(
    frame: pd.DataFrame, columns: list[str], symbol: str, approved: frozenset[str]
) -> dict[str, tuple[str, ...]]:
    older: dict[str, set[str]] = {}
    for column in columns:
        pairs = frame.loc[frame[column] != "", [column, symbol]].drop_duplicates()
        for names, target in zip(pairs[column], pairs[symbol], strict=True):
            for name in names.replace(",", "|").split("|"):
                name = name.strip().strip('"')
                if name not in ("", "-") and name not in approved:
                    older.setdefault(name, set()).add(target)
    return {name: tuple(sorted(targets)) for name, targets in older.items()}
