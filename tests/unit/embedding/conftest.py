"""A small scFoundation in the published layout, and an encoder that anyone can check by hand."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

HIDDEN, DEPTH, HEADS, BINS = 8, 2, 2, 5
N_GENES = 19_264


def shapes() -> dict[str, tuple[int, ...]]:
    """Tensors of an entry, as the published file names them."""
    named: dict[str, tuple[int, ...]] = {
        "token_emb.mlp.weight": (BINS, 1),
        "token_emb.mlp.bias": (BINS,),
        "token_emb.mlp2.weight": (BINS, BINS),
        "token_emb.mlp2.bias": (BINS,),
        "token_emb.emb.weight": (BINS, HIDDEN),
        "token_emb.emb_mask.weight": (1, HIDDEN),
        "token_emb.emb_pad.weight": (1, HIDDEN),
        "pos_emb.weight": (N_GENES + 3, HIDDEN),
        "encoder.norm.weight": (HIDDEN,),
        "encoder.norm.bias": (HIDDEN,),
        "decoder_embed.weight": (4, HIDDEN),  # not read
    }
    for layer in range(DEPTH):
        prefix = f"encoder.transformer_encoder.{layer}"
        named |= {
            f"{prefix}.self_attn.in_proj_weight": (3 * HIDDEN, HIDDEN),
            f"{prefix}.self_attn.in_proj_bias": (3 * HIDDEN,),
            f"{prefix}.self_attn.out_proj.weight": (HIDDEN, HIDDEN),
            f"{prefix}.self_attn.out_proj.bias": (HIDDEN,),
            f"{prefix}.linear1.weight": (4 * HIDDEN, HIDDEN),
            f"{prefix}.linear1.bias": (4 * HIDDEN,),
            f"{prefix}.linear2.weight": (HIDDEN, 4 * HIDDEN),
            f"{prefix}.linear2.bias": (HIDDEN,),
        }
        for norm in ("norm1", "norm2"):
            named |= {f"{prefix}.{norm}.weight": (HIDDEN,), f"{prefix}.{norm}.bias": (HIDDEN,)}
    return named


@pytest.fixture(scope="session")
def published_entries() -> dict:
    """The content of a models.ckpt: entries gene, cell and rde with different random weights."""
    config = {
        "model": "mae_autobin",
        "model_config": {
            "mae_autobin": {
                "seq_len": N_GENES + 2,
                "encoder": {
                    "hidden_dim": HIDDEN,
                    "depth": DEPTH,
                    "heads": HEADS,
                    "module_type": "transformer",
                },
                "bin_num": 99,  # the data set's value wins
                "bin_alpha": 0.7,
                "pad_token_id": 103,
                "mask_token_id": 102,
            }
        },
        "dataset_config": {"rnaseq": {"bin_num": BINS}},
    }
    generator = torch.Generator().manual_seed(1)
    return {
        name: {
            "config": copy.deepcopy(config),
            "state_dict": {
                f"model.{key}": torch.randn(shape, generator=generator) * 0.5
                for key, shape in shapes().items()
            },
        }
        for name in ("gene", "cell", "rde")
    }


@pytest.fixture(scope="session")
def checkpoint(published_entries, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "models.ckpt"
    torch.save(published_entries, path)
    return path


class SumEncoder:
    """Embeds a cell as the number and the sum of its tokens; notes what it was asked."""

    width = 2

    def __init__(self, tokens_per_batch=10, fail_after=None):
        self.tokens_per_batch = tokens_per_batch
        self.batches: list[list[int]] = []
        self.fail_after = fail_after

    def encode(self, cells):
        if self.fail_after is not None and len(self.batches) >= self.fail_after:
            raise KeyboardInterrupt
        self.batches.append(cells.lengths.tolist())
        sums = np.add.reduceat(cells.ids, cells.indptr[:-1])
        return np.stack([cells.lengths, sums], axis=1).astype(np.float32)


@pytest.fixture
def sum_encoder():
    return SumEncoder
