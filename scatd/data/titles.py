"""Titles of columns, with their meaning in the tables of many programs."""

from __future__ import annotations

import re

from scatd.data.gene_titles import GENE_TITLES, folded

ROW_TITLES = frozenset(
    (
        *("", "id", "ids", "idx", "index", "name", "names", "row", "rowname", "rownames", "key"),
        *("barcode", "barcodes", "cell", "cells", "cellid", "cellname", "cellbarcode", "cellindex"),
        *("sample", "samples", "sampleid", "samplename", "title", "geoaccession", "runid"),
        *("patient", "patientid", "donor", "donorid", "case", "caseid", "submitterid", "subject"),
        *("cellline", "celllinename", "line", "model", "modelid", "depmapid", "cosmicid", "ccleid"),
        *("spot", "spotid", "bcr", "tcgaid", "individual", "well", "observation", "obs"),
    )
)
"""Titles of ids of cells or samples, folded; the first ones only mean "name"."""

GENE_ANNOTATION = frozenset(
    (
        *("chr", "chrom", "chromosome", "chromosomename", "seqname", "seqnames", "seqid", "contig"),
        *("start", "end", "stop", "strand", "startposition", "endposition", "txstart", "txend"),
        *("position", "pos", "locus", "location", "band", "cytoband", "reference", "txlength"),
        *("length", "len", "width", "genelength", "exonlength", "exoniclength", "genomiclength"),
        *("transcriptlength", "efflength", "effectivelength", "medianlength", "unionlength"),
        *("exoncount", "nexons", "gccontent", "percentgc", "biotype", "genebiotype", "genetype"),
        *("transcripttype", "transcriptbiotype", "biotypes", "class", "classcode", "source"),
        *("description", "desc", "genedescription", "genetitle", "fullname", "genefullname"),
        *("tssid", "nearestrefid", "refseq", "refseqid", "uniprot", "uniprotid", "havanagene"),
        *("alias", "aliases", "synonym", "synonyms", "type", "featuretype", "genomebuild"),
        *("logfc", "log2fc", "log2foldchange", "foldchange", "pvalue", "pval", "padj", "adjpval"),
        *("fdr", "qvalue", "basemean", "lfcse", "stat", "logcpm", "aveexpr"),
    )
)
"""Titles of columns that describe genes (or compare groups of samples); folded."""

CELL_ANNOTATION = frozenset(
    (
        *("ncount", "ncounts", "ncountrna", "ncountsct", "numi", "numis", "totalcounts", "umis"),
        *("nfeature", "nfeaturerna", "nfeaturesct", "ngene", "ngenes", "ngenesbycounts"),
        *("totalumis", "totalreads", "librarysize", "sizefactor", "sizefactors", "nreads"),
        *("percentmt", "percentmito", "percentribo", "percentrb", "percentercc", "pctcountsmt"),
        *("pctcountsmito", "pctcountsribo", "mitopercent", "mtfrac", "mitofrac", "mitoshare"),
        *("log1ptotalcounts", "log1pngenesbycounts", "totalcountsmt", "log1ptotalcountsmt"),
        *("cluster", "clusters", "clusterid", "leiden", "louvain", "seuratclusters", "celltype"),
        *("celltypes", "batch", "plate", "lane", "library", "libraryid", "origident", "condition"),
        *("treatment", "timepoint", "age", "sex", "gender", "tissue", "organ", "disease", "stage"),
        *("doubletscore", "doubletscores", "predicteddoublet", "predicteddoublets", "isdoublet"),
        *("sscore", "g2mscore", "phase", "umap1", "umap2", "tsne1", "tsne2", "pc1", "pc2"),
        *("response", "label", "labels", "survival", "ostime"),
    )
)
"""Titles of columns that describe cells or samples; folded."""

SUMMARIES = frozenset(
    (
        *("total", "totals", "grandtotal", "sum", "sums", "rowsum", "rowsums", "totalcount"),
        *("mean", "means", "rowmeans", "average", "avg", "median", "sd", "stdev", "variance"),
    )
)
"""Titles of columns, and names of rows, that are sums of others; folded."""
_PLACE_WORDS = frozenset(
    (
        *("chromosome", "chr", "chrom", "scaffold", "contig", "start", "end", "bp", "kb"),
        *("length", "len", "size", "exon", "exons", "exonic", "strand", "position", "band"),
        *("karyotype", "biotype"),
    )
)
_BESIDE_PLACES = frozenset(
    (
        *("gene", "genes", "transcript", "transcripts", "cds", "utr", "name", "number", "num"),
        *("no", "n", "of", "sum", "total", "mean", "median", "max", "union", "effective", "in"),
        *("the", "type", "source", "version", "site", "coding"),
    )
)
"""Words of titles such as `Gene start (bp)` and `Sum of exons`; one of the first is needed."""
_ABOUT_GENES = re.compile(
    r"(gene|transcript|exon|exonic|feature)(length|len|start|end|id|ids|name|names|symbol|type"
    r"|biotype|description|width|size|bp)|.*(entrez|ensembl|refseq|hgnc|uniprot).*"
)


def describes_genes(title: str) -> bool:
    """True when a column of a table of genes x samples describes the genes and is not a sample."""
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title).casefold()))
    title = folded(title)
    if title in SUMMARIES or (words & _PLACE_WORDS and words <= _PLACE_WORDS | _BESIDE_PLACES):
        return True
    is_known = title in GENE_TITLES or title in GENE_ANNOTATION
    return is_known or _ABOUT_GENES.fullmatch(title) is not None


def describes_cells(title: str) -> bool:
    """True when a column of a table of cells x genes describes the cells and is not a gene.

    Titles of gene positions do not describe cells, but no gene has such a name.
    """
    title = folded(title)
    return title in CELL_ANNOTATION or title in _PLACES or title in SUMMARIES


_PLACES = frozenset(
    ("chr", "chrom", "chromosome", "start", "end", "strand", "length", "width", "biotype")
)


def names_rows(title: str) -> bool:
    """True when a title stands for ids, of cells or of genes."""
    title = folded(title)
    return title in ROW_TITLES or title in GENE_TITLES or title.endswith(_ENDINGS)


_ENDINGS = ("id", "name", "names", "barcode", "symbol")
