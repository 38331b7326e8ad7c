"""Work for checks and rates of a device: networks of published size with random weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn
from transformers import BertConfig, BertForMaskedLM
from transformers.utils.logging import disable_progress_bar

from benchmarks import common
from benchmarks.embed import SIZES as PUBLISHED_ENCODER
from benchmarks.embed import VOCABULARY, write_checkpoint
from scatd.artifact import Artifact
from scatd.embedding.cells import Cells, offsets
from scatd.embedding.geneformer import Geneformer
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.embedding.runner import Encoder
from scatd.embedding.scfoundation import ScFoundation
from scatd.embedding.scfoundation_input import N_GENES, tokenize
from scatd.embedding.scfoundation_network import CellEncoder
from scatd.embedding.settings import Precision, ScFoundationSettings
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training.domain import fit_domain
from scatd.training.settings import PUBLISHED_PRETRAIN

WIDTHS = {"sf": 3072, "gf": 512, "dist": 19_264}
"""Features of each family."""
TINY_ENCODER = replace(PUBLISHED_ENCODER, hidden=32, depth=2, heads=4)


def sizes_of(family: str) -> Sizes:
    """The published layer widths."""
    published = PUBLISHED_PRETRAIN[family]
    widths = published.encoder_hidden, published.decoder_hidden
    return Sizes(WIDTHS[family], published.n_latent, *widths)


@cache
def rows(n_rows: int, width: int, seed: int) -> NDArray[np.float32]:
    """Features (n_rows, width): noise and 20 directions of variation, equal for all seeds."""
    loadings = 0.3 * np.random.default_rng(0).standard_normal((20, width), np.float32)
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_rows, 20), np.float32)
    return factors @ loadings + 0.3 * rng.standard_normal((n_rows, width), np.float32)


def backbone(family: str) -> ResidualVAE:
    """An untrained backbone of the published size.

    Some passes settle its spectral vectors: the numbers of a new network are too large otherwise.
    """
    torch.manual_seed(0)
    sizes = sizes_of(family)
    vae = ResidualVAE(sizes, DESIGNS[family]).train()
    x = torch.from_numpy(rows(64, sizes.n_features, 2))
    with torch.no_grad():
        for _ in range(5):
            vae(x, torch.zeros(len(x), sizes.n_latent))
    return vae.eval()


@cache
def response_model(family: str) -> Artifact:
    """A response model with random weights, statistics and a training domain."""
    torch.manual_seed(0)
    sizes = sizes_of(family)
    model = ResponseClassifier(sizes, DESIGNS[family])
    source = torch.from_numpy(rows(200, sizes.n_features, 1)) * 1.2 + 0.1
    reference = torch.from_numpy(rows(400, sizes.n_features, 2))
    with torch.no_grad():
        model.train()(source)  # settles the spectral vectors and running statistics
        model.eval()
        z = model.encode(reference)[0]
    domain = fit_domain(reference, z, "reference", 0)
    stats = feature_stats([source]), feature_stats([reference])
    alignment = Alignment("adain", *stats)
    return Artifact(
        *("response", family, family, sizes, model.state_dict(), alignment, 0.5),
        domain=domain,  # type: ignore[arg-type]
    )


def scfoundation(
    folder: Path, device: str, *, tiny: bool, precision: Precision = "float32"
) -> ScFoundation:
    """The encoder with random weights, of the published size or a tiny one."""
    sizes = TINY_ENCODER if tiny else PUBLISHED_ENCODER
    path = folder / f"scfoundation-{sizes.hidden}.ckpt"
    if not path.exists():
        torch.manual_seed(0)
        network = CellEncoder(sizes)
        for value in network.parameters():
            if value.dim() > 1:
                nn.init.normal_(value, std=0.03)
        for layer in network.encoder.transformer_encoder:
            nn.init.zeros_(layer.self_attn.in_proj_bias)
        write_checkpoint(path, network, sizes)
    return ScFoundation(path, ScFoundationSettings(precision=precision), device)


def geneformer(
    folder: Path, device: str, *, tiny: bool, precision: Precision = "float32"
) -> Geneformer:
    """A Geneformer of 12 layers with random weights, or a tiny one."""
    path = folder / f"geneformer-{'tiny' if tiny else '12L'}"
    if not path.exists():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=32 if tiny else 512,
            num_hidden_layers=3 if tiny else 12,
            num_attention_heads=4 if tiny else 8,
            intermediate_size=64 if tiny else 1024,
            max_position_embeddings=2048,
            hidden_act="relu",
        )
        disable_progress_bar()
        BertForMaskedLM(config).save_pretrained(path)
    tokens = {f"ENSG{number:011d}": number for number in range(2, VOCABULARY)}
    vocabulary = GeneVocabulary(tokens, dict.fromkeys(tokens, 1.0))
    return Geneformer(str(path), vocabulary, precision=precision, device=device)


def cells_for(encoder: Encoder, n_cells: int) -> Cells:
    """Tokens of cells with 300 to 500 genes each."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(300, 501, n_cells)
    if isinstance(encoder, ScFoundation):
        genes = [np.sort(rng.choice(N_GENES, length, replace=False)) for length in lengths]
        counts = rng.geometric(0.4, int(lengths.sum())).astype(np.float32)
        entries = counts, np.concatenate(genes), offsets(lengths)
        return tokenize(sparse.csr_matrix(entries, (n_cells, N_GENES)), ScFoundationSettings())
    ids = [rng.choice(np.arange(2, VOCABULARY), length, replace=False) for length in lengths]
    flat = np.concatenate(ids).astype(np.int32)
    return Cells(flat, None, offsets(lengths), np.full(n_cells, "", object))


def labels(X: NDArray[np.float32]) -> NDArray[np.int64]:
    """Classes (n_rows,) that a noisy direction of the features decides."""
    return common.codes(X, len(X) // 3)
