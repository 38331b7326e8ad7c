"""Published data and models that scatd uses: addresses, licences, and checksums.

scatd distributes none of them: every user downloads them from their publisher. The published scATD
files are listed by figshare's API, with MD5 sums. All other addresses and checksums are fixed here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from scatd.errors import InputError

_SERVERS = {
    "{figshare}": ("SCATD_FIGSHARE_API", "https://api.figshare.com/v2"),
    "{github}": ("SCATD_GITHUB_RAW", "https://raw.githubusercontent.com"),
    "{hub}": ("HF_ENDPOINT", "https://huggingface.co"),
}
"""Environment variables that name a mirror, and the default servers."""


@dataclass(frozen=True)
class RemoteFile:
    """One file: local name, address, length in bytes, and `md5:` or `sha256:` digest."""

    name: str
    url: str
    size: int
    checksum: str


@dataclass(frozen=True)
class Dataset:
    """Files that are downloaded together.

    Parameters
    ----------
    name
        Name in `scatd download`, and name of the folder.
    about
        A short description.
    licence
        Licence of the publisher; shown before a download.
    page
        Web page of the publisher.
    notice
        Restrictions that the licence does not mention; shown with it.
    files
        The files; empty if figshare lists them, or if they cannot be downloaded by a program.
    revision
        Version, if the publisher numbers versions.
    article
        Number of the figshare article with the files.
    by_hand
        How to get data that the publisher gives only to users who accept its terms.
    """

    name: str
    about: str
    licence: str
    page: str
    notice: str = ""
    files: tuple[RemoteFile, ...] = ()
    revision: str = ""
    article: int | None = None
    by_hand: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def _hub_files(revision: str, *files: tuple[str, str, int, str]) -> tuple[RemoteFile, ...]:
    root = f"{{hub}}/ctheodoris/Geneformer/resolve/{revision}"
    return tuple(
        RemoteFile(name, f"{root}/{path}", size, f"sha256:{digest}")
        for name, path, size, digest in files
    )


_APACHE = "Apache-2.0"
_GENEFORMER = "https://huggingface.co/ctheodoris/Geneformer"
_SCFOUNDATION = "https://github.com/biomap-research/scFoundation"
# The second commit added the model with 12 layers; later commits removed it.
_V1 = "04c2b2e84da7c0f385c3f9ad8f3ec24bab6650e5"
_TWELVE_LAYERS = "9d41e7053af8a702003d99305cee01cd34b62ab7"

GENE_MAP = "gene-map"
PANEL = "scfoundation-genes"
DICTIONARIES = "geneformer-dictionaries"

_DATASETS = (
    Dataset(
        "scatd",
        "published scATD data and checkpoints (Luo, Zhou, Yin)",
        "as its figshare page states",
        "https://figshare.com/articles/software/scATD/27908847",
        notice="What derives from scFoundation's weights is bound by their non-commercial licence.",
        article=27908847,
    ),
    Dataset(
        PANEL,
        "the 19,264 genes of scFoundation and scATD-dist, in order",
        _APACHE,
        _SCFOUNDATION,
        notice="This is the licence of the code; that of the weights is another.",
        files=(
            RemoteFile(
                "OS_scRNA_gene_index.19264.tsv",
                "{github}/biomap-research/scFoundation/main/OS_scRNA_gene_index.19264.tsv",
                228_232,
                "sha256:bb337ea195d94e7b033543abc02a42e7060d6562eba97deb077f7dcecec62661",
            ),
        ),
        revision="main",
    ),
    Dataset(
        GENE_MAP,
        "approved symbols, older names, Ensembl and Entrez ids of human genes",
        "CC0 (HGNC); Ensembl's exports have no restrictions",
        "https://www.genenames.org/download/archive/",
        by_hand="Fetch hgnc_complete_set.txt from there, or a BioMart export with the columns Gene "
        "stable ID, Gene Synonym and Gene name; then pass its path as --gene-map, or put it into "
        f"the folder {GENE_MAP} beside other downloads, where it is found.",
    ),
    Dataset(
        "scfoundation-weights",
        "scFoundation's models.ckpt",
        "non-commercial, under its publisher's own terms",
        f"{_SCFOUNDATION}/tree/main/model",
        by_hand="Accept the terms, fetch models.ckpt as its page says, and pass its path as "
        "--weights.",
    ),
    Dataset(
        DICTIONARIES,
        "tokens, medians and gene names of the Geneformer 30M models",
        _APACHE,
        _GENEFORMER,
        files=_hub_files(
            _V1,
            (
                "token_dictionary.pkl",
                "geneformer/gene_dictionaries_30m/token_dictionary_gc30M.pkl",
                788_424,
                "ab9dc40973fa5224d77b793e2fd114cacf3d08423ed9c4c49caf0ba9c7f218f1",
            ),
            (
                "gene_median_dictionary.pkl",
                "geneformer/gene_dictionaries_30m/gene_median_dictionary_gc30M.pkl",
                940_965,
                "b3b589bb5ec75040d05fc44dd6bf0184cf87f3c362cf158d196a6ed3b7fe5f39",
            ),
            (
                "gene_name_id_dict.pkl",
                "geneformer/gene_dictionaries_30m/gene_name_id_dict_gc30M.pkl",
                1_117_117,
                "55e67962e79c0039a6c32d43c5c99f38e51964bbcfa32f736150ee1e285c438c",
            ),
        ),
        revision=_V1,
    ),
    Dataset(
        "geneformer-6L",
        "Geneformer, 6 layers, 30M cells: 256 features",
        _APACHE,
        _GENEFORMER,
        files=_hub_files(
            _V1,
            (
                "config.json",
                "Geneformer-V1-10M/config.json",
                565,
                "9cf69ca3bdb0215c4188b54c451b6f02adfe68b8f66011a57d0f32845133fd4b",
            ),
            (
                "model.safetensors",
                "Geneformer-V1-10M/model.safetensors",
                41_183_536,
                "a5e33a757431643b3697de7ef6127950cdc49e06e58d4266b3a3ab191b683f14",
            ),
        ),
        revision=_V1,
    ),
    Dataset(
        "geneformer-12L",
        "Geneformer, 12 layers, 30M cells: the 512 features of family gf",
        _APACHE,
        _GENEFORMER,
        files=_hub_files(
            _TWELVE_LAYERS,
            (
                "config.json",
                "geneformer-12L-30M/config.json",
                567,
                "a82b9cf2cb830be227bfbbe5a4c5d62723f49fac892ca37c541d0ef40a0e1de9",
            ),
            (
                "pytorch_model.bin",
                "geneformer-12L-30M/pytorch_model.bin",
                158_467_410,
                "812f8d85e5ecf9d64c268f052f6ece2c1906bc4f1aecf70d5144b2598386b615",
            ),
        ),
        revision=_TWELVE_LAYERS,
    ),
)

CATALOGUE = {dataset.name: dataset for dataset in _DATASETS}


def address(template: str) -> str:
    """The URL of a template in the catalogue; an environment variable may name a mirror."""
    for server, (variable, default) in _SERVERS.items():
        given = os.environ.get(variable) or default
        if not re.match(r"https?://[^\s/]+", given):
            expected = "an address that begins with https://, or an unset variable"
            raise InputError(f"... is '{given}'", where=variable, expected=expected)
        template = template.replace(server, given.rstrip("/"))
    return template
