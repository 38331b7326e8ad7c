"""Cell embeddings of scFoundation: published weights, our own encoder."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.data.files import sha256_file
from scatd.embedding.cells import Cells, CutCell, fitting_tokens
from scatd.embedding.scfoundation_checkpoint import read_encoder
from scatd.embedding.settings import ScFoundationSettings
from scatd.nn.products import fast_products

CPU_TOKENS = 1024
"""Larger batches do not fit into the caches of a processor and are slower."""


class ScFoundation:
    """The encoder of a `models.ckpt` with its settings. `scfoundation_input` makes its tokens.

    Parameters
    ----------
    weights
        Published `models.ckpt`.
    settings
        Version, pool and precision are used here.
    device
        Where to compute.

    Raises
    ------
    InputError
        When the file cannot be used.
    """

    def __init__(
        self, weights: Path, settings: ScFoundationSettings, device: torch.device | str = "cpu"
    ) -> None:
        self.settings = settings
        self.device = torch.device(device)
        network = read_encoder(weights, settings.version)
        if settings.precision == "mixed":
            network.encoder.lower()
        self.network = network.to(self.device).requires_grad_(requires_grad=False)
        self.sha256 = sha256_file(weights)

    @property
    def width(self) -> int:
        """Features of an embedding: 3072 for the published weights and pool `all`."""
        hidden = self.network.pos_emb.embedding_dim
        return 4 * hidden if self.settings.pool == "all" else hidden

    @property
    def tokens_per_batch(self) -> int:
        """Number of tokens that fit into half of the free memory of a GPU."""
        if self.device.type != "cuda":
            return CPU_TOKENS
        free, _ = torch.cuda.mem_get_info(self.device)
        return fitting_tokens(free, self.network.pos_emb.embedding_dim, CPU_TOKENS)

    @property
    def identity(self) -> dict[str, str]:
        """Everything except the cell that determines an embedding."""
        settings = self.settings
        return {
            "backend": "scfoundation",
            "weights_sha256": self.sha256,
            "version": settings.version,
            "pool": settings.pool,
            "precision": settings.precision,
        }

    def cut(self, cell: Cells) -> CutCell:
        """The encoder cut after the token embeddings of one cell; an absent gene has value zero."""
        assert cell.values is not None
        ids, values = (torch.from_numpy(part).to(self.device) for part in (cell.ids, cell.values))
        is_gene = torch.ones(len(ids), dtype=torch.bool, device=self.device)
        is_gene[-2:] = False  # target and source depth
        with torch.no_grad():
            position = self.network.pos_emb(ids)
            present = self.network.token_emb(values) + position
            absent = self.network.token_emb(values.masked_fill(is_gene, 0.0)) + position

        def embed(tokens: Tensor) -> Tensor:
            lengths = torch.full((len(tokens),), tokens.shape[1], device=self.device)
            return self.network.pooled(tokens.flatten(0, 1), lengths, self.settings.pool)

        return CutCell(present, absent, is_gene, embed)

    def encode(self, cells: Cells) -> NDArray[np.float32]:
        """Embeddings (n_cells, width) of one batch; every cell must have tokens."""
        assert cells.values is not None
        on_cpu = self.device.type == "cpu"
        with torch.inference_mode(), fast_products() if on_cpu else contextlib.nullcontext():
            embedded = self.network(
                torch.from_numpy(cells.ids).to(self.device),
                torch.from_numpy(cells.values).to(self.device),
                torch.from_numpy(cells.lengths).to(self.device),
                self.settings.pool,
            )
        return embedded.cpu().numpy()
