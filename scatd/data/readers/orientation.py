"""Find the axis of a table that holds the genes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scatd.data.gene_titles import GENE_TITLES, NEUTRAL_TITLES, folded
from scatd.data.genes import HOUSEKEEPING, parse
from scatd.data.titles import ROW_TITLES
from scatd.errors import InputError

_NAMES_LOOKED_AT = 5000
_FEW, _SOME = 0.02, 0.1
"""Share of names that are known genes. Below the first, an axis has none; above the second, it
has."""
_CLEARLY = 10
"""If both axes have some known genes, one must have this many times more."""
_MANY_ROWS = 1000
"""From this number of rows on, row names that are numbers are genes (Entrez ids)."""

_EVERYWHERE = HOUSEKEEPING | frozenset(
    (
        *("EGFR", "MYC", "KRAS", "PTEN", "BRCA1", "BRCA2", "EPCAM", "PTPRC", "A1BG", "A2M"),
        *("A1CF", "CDKN1A", "CDKN2A", "MKI67", "TOP2A", "ESR1", "ERBB2", "GFAP", "ALB", "INS"),
        *("HBB", "HBA1", "XIST", "NEAT1"),
    )
)
"""Genes in most expression tables, for any panel."""
_FAMILY = re.compile(
    r"(ABC[A-G]\d+|ABHD\d+|ACO[TX]\d+|ADAM(TS)?\d+|ADGR[A-Z]\d|AKAP\d+|ALDH\d+[A-Z]\d|ANKRD\d+"
    r"|ARHG(AP|EF)\d+|ARL\d+|ATP\d+[A-Z]\w*|B3GN?T\d|BCL\d\w*|C\d+ORF\d+|CXORF\d+|CACN[AB]\w+"
    r"|CALM\d|CASP\d+|CCDC\d+|CC[LR]\d+|CXC[LR]\d+|CDC\d+|CDK\d+\w*|CDH\d+|CEP\d+|CFAP\d+|CHST\d+"
    r"|CLDN\d+|CLEC\d+\w+|COL\d+A\d+|COX\d+\w*|CYP\d+[A-Z]\d+|DDX\d+\w*|DEFB\d+\w*|DHX\d+|DNAJ[ABC]\d+"
    r"|DUSP\d+|E2F\d|EIF\d\w+|EPH[AB]\d+|FAM\d+[A-Z]\d?|FBX[LOW]\d+|FGFR?\d+|FOX[A-S]\d\w?|GALNT\d+"
    r"|GAGE\d+\w*|GATA\d|GOLGA\d\w+|GPR\d+\w*|GTF\d\w+|H[1-4][-.]\d+|H[1-4][ABCK]\w+|HIST\d\w+"
    r"|HLA[-.]\w+|HOX[A-D]\d+|HSD\d+B\d+|HSPA\d\w*|HSPB\d+|HTR\d\w|IFN[AGBL]\w*|IGF\w+|IG[HKL][VJDC]\w*"
    r"|IL\d+[A-Z]*\d*|INTS\d+|ITG[AB]\w+|KCN[A-V]\w+|KCTD\d+|KDM\d\w|KIAA\d+|KIF\d+\w*|KLF\d+|KLHL\d+"
    r"|KLK\d+|KRT\d+|KRTAP\d+[-.]\d+|LCE\d\w|LGALS\d+|LINC\d{5}|LRRC\d+\w*|MAP[234]?K\d+\w*|MED\d+\w*"
    r"|METTL\d+\w*|MFSD\d+\w*|MIR\d+\w*(HG)?|MMP\d+|MRP[LS]\d+\w*|MT[-.](ND\w+|CO\d|ATP\d|CYB|R\w+|T\w+)"
    r"|MUC\d+\w*|MY[HLO]\d+\w*|NDUF[ABCSV]\w+|NLRP\d+|NR\d[A-H]\d|NUDT\d+|NUP\d+\w*|OR\d+[A-Z]+\d+\w*"
    r"|PCDH\w+|PDE\d+\w+|PEX\d+\w*|PHF\d+\w*|PIK3\w+|PLA2\w+|POLR\d\w+|POU\d\w+|PPP\d\w+|PRAMEF\d+"
    r"|PRDM\d+|PRR\d+|PRSS\d+|PSM[A-G]\d+|PTP[NR]\w+|RAB\d+\w*|RBM\d+\w*|RGS\d+|RNF\d+\w*|RP[LS]\d+\w*"
    r"|RP\d+[-.]\d+\w\d+[-.]\d+|S100A\d+|SAMD\d+\w*|SEC\d+\w*|SEMA\d[A-G]|SERPIN[A-I]\d+|SH[23]\w+"
    r"|SLC\d+A\d+\w*|SLCO\d\w+|SMIM\d+\w*|SNOR[AD]\d+\w*|SNX\d+|SOX\d+|SPATA\d+\w*|SPDYE\d+|STK\d+\w*"
    r"|STX\d+\w*|SYT\d+|TAF\d+\w*|TAS[12]R\d+|TBC1D\d+\w*|TBX\d+|TEX\d+|TIMM\d+\w*|TMEM\d+\w*"
    r"|TNFRSF\d+\w*|TNFSF\d+\w*|TRAPPC\d+\w*|TRIM\d+\w*|TR[ABDG][VJDC]\w*|TSPAN\d+\w*|TTC\d+\w*"
    r"|TUB[ABG]\w*\d\w*|UBE2\w+|UGT\d\w+|USP\d+\w*|VPS\d+\w*|WDR\d+\w*|WNT\d+\w*|ZBTB\d+\w*|ZC3H\w+"
    r"|ZDHHC\d+|ZFP\d+\w*|ZNF\d+\w*|ZSCAN\d+\w*|A[CFLP]\d{6}\.\d+|CD\d+\w{0,2}|GENE[-_.]?\d+)(\.\d+)?"
)
"""Names of the large families of human genes: about a third of all symbols."""
_NO_GENE = re.compile(
    r"[ACGTN]{8,}([-_.]\w+)?|\w*[-_.:#]?[ACGT]{10,}([-_.]\w+)?|TCGA[-.]\w\w[-.].*|GTEX[-.].*"
    r"|(GSM|SRR|ERR|DRR|SRX|SRS|SAMN|SAMEA|ACH-?)\d+.*"
    r"|(CELL|SAMPLE|BARCODE|SPOT|PATIENT|DONOR|SUBJECT|CASE|CTRL|CONTROL|TUMOU?R|NORMAL|OBS|BC|S|C|P"
    r"|REP|LIB|RUN|WELL|MOUSE|HUMAN|TREATED|UNTREATED|DMSO)[-_. ]?\d+\w?"
)
"""Names of cells and samples; few genes have such names (C3, S1)."""


@dataclass(frozen=True)
class _Axis:
    """The names of one axis: the share of known genes, and the share of names that no gene has."""

    n: int
    genes: float
    no_genes: float
    are_numbers: bool

    @classmethod
    def of(cls, names: Sequence[str]) -> _Axis:
        places = np.unique(np.linspace(0, len(names) - 1, _NAMES_LOOKED_AT).astype(int))
        some = [names[place].strip() for place in places] if len(names) else []
        genes = sum(map(_is_gene, some)) / max(len(some), 1)
        no_genes = sum(_NO_GENE.fullmatch(name.upper()) is not None for name in some)
        are_numbers = bool(some) and all(name.isdecimal() for name in some)
        return cls(len(names), genes, no_genes / max(len(some), 1), are_numbers)


def bears_genes(*axes: Sequence[str]) -> bool:
    """True when one of some axes has names that are known for genes."""
    return any(_Axis.of(names).genes >= _SOME for names in axes)


def genes_are_rows(path: Path, title: str, columns: Sequence[str], rows: Sequence[str]) -> bool:
    """Decide which axis holds the genes: by its names, then by the title of the first column.

    Parameters
    ----------
    title
        Name of the first column, which holds `rows`.

    Raises
    ------
    InputError
        When neither decides.
    """
    across, down = _Axis.of(columns), _Axis.of(rows)
    if max(across.genes, down.genes) >= _SOME:
        few, many = sorted((across.n * across.genes, down.n * down.genes))
        if min(across.genes, down.genes) < _FEW or many >= _CLEARLY * few:
            return down.n * down.genes > across.n * across.genes
    if across.are_numbers != down.are_numbers and max(across.genes, down.genes) < _SOME:
        return down.are_numbers and _are_entrez(folded(title), down, across)
    said = folded(title)
    if said in GENE_TITLES:
        return True
    if said in ROW_TITLES and said not in NEUTRAL_TITLES:
        return False
    if max(across.no_genes, down.no_genes) > 0.5 and min(across.no_genes, down.no_genes) < _SOME:
        return across.no_genes > 0.5
    if max(across.genes, down.genes) >= _FEW and min(across.genes, down.genes) == 0:
        return down.genes > 0
    shown = [", ".join(f"'{name}'" for name in names[:3]) for names in (columns, rows)]
    both = across.genes >= _SOME
    what = "both the rows and the columns" if both else "neither the rows nor the columns"
    raise InputError(
        f"{what} bear names that are known for genes (columns {shown[0]}; rows {shown[1]})",
        where=str(path),
        expected="genes as columns and cells as rows, or the other way round",
        remedy="Name the first column 'gene' where rows are genes, or 'cell' where they are cells.",
    )


def _are_entrez(title: str, down: _Axis, across: _Axis) -> bool:
    return title in GENE_TITLES or (title in NEUTRAL_TITLES and down.n > max(across.n, _MANY_ROWS))


def _is_gene(name: str) -> bool:
    gene = parse(name)
    if gene.kind == "ensembl":
        return True
    symbol = gene.key.upper()
    return symbol in _EVERYWHERE or _FAMILY.fullmatch(symbol) is not None
