"""Row "embed": scFoundation and Geneformer 12L of published size, random weights, on a CPU.

The plain loop of scFoundation takes one cell at a time through the encoder layers of torch, with
their fused inference path. The plain loop of Geneformer takes batches of eight in the order of the
file through the whole masked-token model, and keeps one hidden state.

    python -m benchmarks.embed [--cells N] [--repeats N] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from benchmarks import common
from scatd.embedding.cells import Cells, offsets
from scatd.embedding.geneformer import Geneformer
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.embedding.runner import embed
from scatd.embedding.scfoundation import ScFoundation
from scatd.embedding.scfoundation_input import N_GENES, tokenize
from scatd.embedding.scfoundation_network import CellEncoder, EncoderSizes
from scatd.embedding.settings import ScFoundationSettings

SIZES = EncoderSizes(
    hidden=768,
    depth=12,
    heads=12,
    n_bins=100,
    bin_alpha=1.0,
    n_positions=N_GENES + 3,
    pad_token_id=103,
    mask_token_id=102,
)
USUAL, LONG = (300, 500), (1_500, 4_000)
"""Genes of a cell: as of droplets, and as of deeply sequenced cells."""
PUBLISHED_BATCH = 8
VOCABULARY = 25_426


def main() -> None:
    """Measure both models and their plain loops in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file to keep the numbers in")
    options = parser.parse_args()
    found = {}
    rng = np.random.default_rng(0)
    lengths = rng.integers(*USUAL, options.cells, endpoint=True)
    long = rng.integers(*LONG, max(2, options.cells // 4), endpoint=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, make, sizes in (
            ("scFoundation", _scfoundation, lengths),
            ("scFoundation, long", _scfoundation, long),
            ("Geneformer 12L", _geneformer, lengths),
        ):
            ours, plain = make(Path(scratch), sizes, rng)
            found[name] = _measure(name, ours, plain, sizes, options.repeats)
    del found["scFoundation, long"]  # the plan for many cells reckons with the usual lengths
    common.keep(options.json, embed=found)


Way = Callable[[], NDArray[np.float32]]


def _measure(
    name: str, ours: Way, plain: Way, lengths: NDArray[np.int64], repeats: int
) -> dict[str, float]:
    """Print a row; gives the cells that a core embeds in a second."""
    apart = float(np.abs(ours() - plain()).max())
    rates: tuple[list[float], list[float]] = ([], [])
    a_core: list[float] = []
    for _ in range(repeats):
        for way, found in zip((ours, plain), rates, strict=True):
            started, busy = time.perf_counter(), time.process_time()
            way()
            found.append(len(lengths) / (time.perf_counter() - started))
            if way is ours:
                a_core.append(len(lengths) / (time.process_time() - busy))
    rate, plain_rate = map(statistics.median, rates)
    common.report(
        f"embed: {name}, {len(lengths)} cells of {min(lengths)} to {max(lengths)} genes, "
        f"median of {repeats}",
        [
            ("scatd", f"{rate:.2f} cells/s", ""),
            ("  a core", f"{statistics.median(a_core):.2f} cells/s", ""),
            ("the plain way", f"{plain_rate:.2f} cells/s", ""),
            common.judged(f"embed/{name}", rate / plain_rate),
            ("largest difference", f"{apart:.1e}", ""),
        ],
    )
    return {"cells_a_core_second": statistics.median(a_core)}


def _scfoundation(
    folder: Path, lengths: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Way, Way]:
    torch.manual_seed(0)
    network = CellEncoder(SIZES)
    for value in network.parameters():
        if value.dim() > 1:
            nn.init.normal_(value, std=0.03)
    for layer in network.encoder.transformer_encoder:
        nn.init.zeros_(layer.self_attn.in_proj_bias)
    write_checkpoint(folder / "models.ckpt", network, SIZES)
    encoder = ScFoundation(folder / "models.ckpt", ScFoundationSettings())
    genes = [np.sort(rng.choice(N_GENES, length, replace=False)) for length in lengths]
    counts = rng.geometric(0.4, int(lengths.sum())).astype(np.float32)
    shape = (len(lengths), N_GENES)
    X = sparse.csr_matrix((counts, np.concatenate(genes), offsets(lengths)), shape)
    cells = tokenize(X, ScFoundationSettings())
    layers = nn.ModuleList(
        nn.TransformerEncoderLayer(SIZES.hidden, SIZES.heads, 4 * SIZES.hidden, batch_first=True)
        for _ in range(SIZES.depth)
    )
    layers.load_state_dict(network.encoder.transformer_encoder.state_dict())
    layers.eval()

    def plain() -> NDArray[np.float32]:
        rows = []
        with torch.no_grad():
            for start, stop in zip(cells.indptr, cells.indptr[1:], strict=False):
                values = torch.from_numpy(cells.values[start:stop])
                ids = torch.from_numpy(cells.ids[start:stop])
                y = (network.token_emb(values) + network.pos_emb(ids))[None]
                no_padding = torch.zeros(y.shape[:2], dtype=torch.bool)
                for layer in layers:
                    y = layer(y, src_key_padding_mask=no_padding)
                y = network.encoder.norm(y)[0]
                rows.append(torch.cat([y[-1], y[-2], y[:-2].amax(0), y[:-2].mean(0)]).numpy())
        return np.stack(rows)

    return lambda: embed(cells, encoder), plain


def write_checkpoint(path: Path, network: CellEncoder, sizes: EncoderSizes) -> None:
    """Write a network as the published file holds it."""
    config = {
        "model": "mae_autobin",
        "model_config": {
            "mae_autobin": {
                "seq_len": sizes.n_positions - 1,
                "encoder": {
                    "hidden_dim": sizes.hidden,
                    "depth": sizes.depth,
                    "heads": sizes.heads,
                    "module_type": "transformer",
                },
                "bin_num": sizes.n_bins,
                "bin_alpha": sizes.bin_alpha,
                "pad_token_id": sizes.pad_token_id,
                "mask_token_id": sizes.mask_token_id,
            }
        },
        "dataset_config": {"rnaseq": {}},
    }
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    torch.save({"rde": {"config": config, "state_dict": state}}, path)


def _geneformer(
    folder: Path, lengths: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Way, Way]:
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=512,
        num_hidden_layers=12,
        num_attention_heads=8,
        intermediate_size=1024,
        max_position_embeddings=2048,
        hidden_act="relu",
    )
    model = BertForMaskedLM(config).eval()
    model.save_pretrained(folder / "geneformer")
    tokens = {f"ENSG{number:011d}": number for number in range(2, VOCABULARY)}
    vocabulary = GeneVocabulary(tokens, dict.fromkeys(tokens, 1.0))
    encoder = Geneformer(str(folder / "geneformer"), vocabulary)
    ids = [rng.choice(np.arange(2, VOCABULARY), length, replace=False) for length in lengths]
    flat = np.concatenate(ids).astype(np.int32)
    cells = Cells(flat, None, offsets(lengths), np.full(len(ids), "", object))

    def plain() -> NDArray[np.float32]:
        rows = []
        with torch.no_grad():
            for start in range(0, len(ids), PUBLISHED_BATCH):
                batch = [torch.from_numpy(cell) for cell in ids[start : start + PUBLISHED_BATCH]]
                padded = nn.utils.rnn.pad_sequence(batch, batch_first=True)
                is_token = (padded != 0).long()
                states = model(
                    input_ids=padded, attention_mask=is_token, output_hidden_states=True
                ).hidden_states[-2]
                total = (states * is_token[:, :, None]).sum(dim=1)
                rows.append((total / is_token.sum(dim=1, keepdim=True)).numpy())
        return np.concatenate(rows)

    return lambda: embed(cells, encoder), plain


if __name__ == "__main__":
    main()
