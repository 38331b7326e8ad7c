"""A loaded foundation model with its genes and its cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from scatd import keys
from scatd.data import downloads
from scatd.data.catalogue import PANEL
from scatd.data.cohort import Cohort
from scatd.data.findings import Report, Requirements
from scatd.data.genes import Panel, gene_names
from scatd.data.preflight import look
from scatd.embedding.geneformer import Geneformer
from scatd.embedding.geneformer_dictionaries import GeneVocabulary, read_vocabulary
from scatd.embedding.scfoundation import ScFoundation
from scatd.embedding.settings import EmbedderRequest, ScFoundationSettings
from scatd.embedding.store import EmbeddingStore
from scatd.errors import FaultKind, InputError
from scatd.keys import InputScale
from scatd.wording import counted
from scatd.workflows.cohorts.genes import find_gene_map, find_panel, read_panel_file
from scatd.workflows.cohorts.token_rows import RowEmbedder
from scatd.workflows.cohorts.weights import (
    dictionaries,
    geneformer_genes,
    geneformer_weights,
    scfoundation_weights,
)

_SLOTS = {backend: keys.OBSM_FEATURES[family] for family, backend in keys.BACKENDS.items()}
_PANEL_SHA256 = "6037e1bc9b3b48a5112ffdc29261383f747a3c3f8b568a8899b0c69d13565df8"
"""Of the 19,264 names in order, one a line: the positions that scFoundation's weights mean."""


class Embedder:
    """A loaded foundation model, with the genes that it reads and the store of its embeddings.

    Raises
    ------
    InputError
        When weights or dictionaries are missing or cannot be used.
    """

    def __init__(self, request: EmbedderRequest) -> None:
        self.settings = request.settings
        self.slot = _SLOTS[request.backend]
        self.vocabulary: GeneVocabulary | None = None
        self.encoder: ScFoundation | Geneformer
        if request.backend == "scfoundation":
            self._panel_file = request.panel
            self.gene_map = find_gene_map(request.gene_map)
            weights = scfoundation_weights(request.weights)
            self.encoder = ScFoundation(weights, request.settings, request.device)
        else:
            _require_no_options_of_scfoundation(request.settings)
            name = geneformer_weights(request.weights)
            folder = dictionaries(request.dictionaries, name)
            self.vocabulary = read_vocabulary(folder)
            found = geneformer_genes(self.vocabulary, folder, request.gene_map)
            self._geneformer_panel, self.gene_map = found
            self.encoder = Geneformer(
                name, self.vocabulary, precision=request.settings.precision, device=request.device
            )
        identity = json.dumps(self.encoder.identity, sort_keys=True).encode()
        kept = f"{request.backend}-{hashlib.sha256(identity).hexdigest()[:16]}"
        self.store = EmbeddingStore(
            downloads.cache_folder() / "embeddings" / kept, self.encoder.width
        )

    @property
    def accepts(self) -> tuple[InputScale, ...]:
        """Scales that the model reads where the user names none, the best one first."""
        if self.vocabulary is not None or self.settings.pre_normalized == "F":
            return ("counts",)
        return ("rma", "log1p") if self.settings.input_type == "bulk" else ("log1p", "rma")

    def panel_for(self, cohort: Cohort) -> Panel:
        """The genes that the model reads.

        Raises
        ------
        InputError
            When scFoundation's gene order is not there, or is another.
        """
        if self.vocabulary is not None:
            return self._geneformer_panel
        if self._panel_file is not None:
            panel = read_panel_file(self._panel_file)
        else:
            # A matrix in the published order is its own list of genes.
            panels = (Panel(tuple(gene_names(matrix.var)), str(cohort.path))
                      for matrix in cohort.matrices.values())  # fmt: skip
            own = next((panel for panel in panels if panel.sha256 == _PANEL_SHA256), None)
            panel = own or find_panel(None, cohort)
        if panel.sha256 != _PANEL_SHA256:
            what = (
                f"its {counted(len(panel), 'gene', 'is')} not the 19,264 of scFoundation in their "
                "order"
            )
            remedy = f"Get these: scatd download {PANEL}"
            raise InputError(what, where=panel.origin, remedy=remedy, kind=FaultKind.NO_WEIGHTS)
        return replace(panel, origin="scFoundation")

    def look(
        self, cohort: Cohort, *, layer: str | None = None, scale: InputScale | None = None
    ) -> Report:
        """The pre-flight report of a cohort for this model, without faults.

        Raises
        ------
        InputError
            With all faults, when the model cannot read the cohort.
        """
        if self.vocabulary is not None and scale not in (None, "counts"):
            what = "Geneformer ranks raw counts"
            raise InputError(what, where=f"--scale {scale}", expected="counts")
        panels = {self.slot: self.panel_for(cohort)}
        requires = Requirements(self.accepts)
        report = look(cohort, panels, self.gene_map, layer=layer, scale=scale, requires=requires)
        report.faults.raise_if_any()
        return report

    def rows(self, cohort: Cohort, report: Report) -> RowEmbedder:
        """An embedder of the rows of one cohort, which `look` has judged.

        Raises
        ------
        InputError
            When a total of each cell is needed and the cohort has none.
        """
        return RowEmbedder(self, cohort, report)

    def token_names(self, cohort: Cohort) -> dict[int, str]:
        """Gene of each token id: the panel's name, or the Ensembl id that Geneformer knows."""
        if self.vocabulary is not None:
            return {token: gene for gene, token in self.vocabulary.tokens.items()}
        return dict(enumerate(self.panel_for(cohort).names))

    def provenance(self, report: Report) -> dict[str, Any]:
        """How an embedding was made, as plain values."""
        found = report.matches[self.slot]
        about: dict[str, Any] = {
            **self.encoder.identity,
            "layer": report.layer,
            "scale": report.scale,
            "genes_found": found.n_found,
            "genes_of_model": len(found.panel),
        }
        if self.vocabulary is None:
            about["input_type"] = self.settings.input_type
            about["pre_normalized"] = self.settings.pre_normalized
            about["tgthighres"] = self.settings.tgthighres
        if self.gene_map is not None:
            about["gene_map_sha256"] = self.gene_map.sha256
        return about


def _require_no_options_of_scfoundation(settings: ScFoundationSettings) -> None:
    if settings != ScFoundationSettings(precision=settings.precision):
        what = "these are options of scFoundation, and Geneformer has none of them"
        names = "--input-type, --pre-normalized, --tgthighres, --pool, --version"
        raise InputError(what, where=names, remedy="Leave them out, or --backend scfoundation.")
