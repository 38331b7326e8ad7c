"""Species by the start of a gene name: genome, Ensembl prefix, or id of another database."""

from __future__ import annotations

import re

GENOMES = {
    # Assemblies that Cell Ranger, STAR and others put before names (names of UCSC and Ensembl)
    **dict.fromkeys(("grch37", "grch38", "hg18", "hg19", "hg38", "t2t", "chm13"), "human"),
    **dict.fromkeys(("grcm38", "grcm39", "mm9", "mm10", "mm39"), "mouse"),
    **dict.fromkeys(("rn6", "rn7", "rnor6", "rnor_6.0", "mratbn7", "mratbn7.2"), "rat"),
    **dict.fromkeys(("grcz10", "grcz11", "danrer10", "danrer11"), "zebrafish"),
    **dict.fromkeys(("bdgp6", "dm3", "dm6"), "fly"),
    **dict.fromkeys(("mmul_8.0.1", "mmul_10", "rhemac8", "rhemac10"), "macaque"),
    **dict.fromkeys(("sscrofa11.1", "susscr11"), "pig"),
    **dict.fromkeys(("canfam3", "canfam3.1", "canfam4"), "dog"),
    # Names of species, as in the CITE-seq tables of GSE100866
    "human": "human",
    "homo_sapiens": "human",
    "mouse": "mouse",
    "mus_musculus": "mouse",
    "rat": "rat",
    "rattus_norvegicus": "rat",
}
"""Species by genome prefix in lower case. The gene name follows after `_`, `-` or `.`."""

SPECIES_OF_ENSEMBL = {
    "ENSG": "human",
    "ENSMUSG": "mouse",
    "ENSRNOG": "rat",
    "ENSDARG": "zebrafish",
    "ENSMMUG": "macaque",
    "ENSMFAG": "macaque",
    "ENSCSAG": "vervet",
    "ENSPTRG": "chimpanzee",
    "ENSGGOG": "gorilla",
    "ENSPPYG": "orangutan",
    "ENSCJAG": "marmoset",
    "ENSSSCG": "pig",
    "ENSCAFG": "dog",
    "ENSFCAG": "cat",
    "ENSBTAG": "cow",
    "ENSOARG": "sheep",
    "ENSECAG": "horse",
    "ENSOCUG": "rabbit",
    "ENSCPOG": "guinea pig",
    "ENSMAUG": "hamster",
    "ENSMPUG": "ferret",
    "ENSGALG": "chicken",
    "ENSXETG": "frog",
}
"""Species by the prefix of Ensembl's stable ids (ensembl.org, "Ensembl stable ID prefixes")."""

ID_PATTERNS = (
    (re.compile(r"FBgn\d{7}"), "fly"),  # FlyBase
    (re.compile(r"WBGene\d{8}"), "worm"),  # WormBase
    (re.compile(r"MGI:\d+"), "mouse"),  # Mouse Genome Informatics
    (re.compile(r"RGD:\d+"), "rat"),  # Rat Genome Database
    (re.compile(r"ZDB-GENE-\d+-\d+"), "zebrafish"),  # ZFIN
    (re.compile(r"HGNC:\d+"), "human"),  # HUGO Gene Nomenclature Committee
)
"""Patterns of ids of other databases, with their species."""
