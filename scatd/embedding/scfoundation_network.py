"""scFoundation's encoder: value and position embeddings, and post-norm transformer layers.

Source: scFoundation (Nature Methods 2024); names are those of its checkpoint. Cells of a batch are
stored one after the other without padding. Only attention uses padding, to separate the cells.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from scatd.embedding.settings import Pool

_SLOPE = 0.1
_ALIGNED = 8
"""Attention kernels of GPUs are fast when padded lengths are multiples of this."""


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes and constants of a checkpoint's encoder."""

    hidden: int
    depth: int
    heads: int
    n_bins: int
    bin_alpha: float
    n_positions: int
    pad_token_id: float
    mask_token_id: float


@dataclass(frozen=True)
class Layout:
    """Places of the tokens of a batch in its padded form (n_cells, length).

    Parameters
    ----------
    n_cells, length
        Padded shape.
    places
        Place of each token in the flat padded form, (n_tokens,).
    is_token
        (n_cells, length), False for padding; None without padding.
    ends
        Place of the last token of each cell among the tokens, (n_cells,).
    cells
        Start and end of each cell among the tokens, where cells of different lengths are on a
        processor; else empty.
    """

    n_cells: int
    length: int
    places: Tensor
    is_token: Tensor | None
    ends: Tensor
    cells: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, lengths: Tensor) -> Layout:
        """The layout of cells with these numbers of tokens."""
        n_cells, longest = len(lengths), int(lengths.max())
        is_even = bool((lengths == longest).all())
        length = longest if is_even else -(-longest // _ALIGNED) * _ALIGNED
        is_token = torch.arange(length, device=lengths.device) < lengths[:, None]
        places = is_token.flatten().nonzero().squeeze(1)
        ends = lengths.cumsum(0) - 1
        cells: tuple[tuple[int, int], ...] = ()
        if not is_even and lengths.device.type == "cpu":
            cells = tuple(itertools.pairwise([0, *(ends + 1).tolist()]))
        return cls(n_cells, length, places, None if is_even else is_token, ends, cells)

    def pad(self, x: Tensor, value: float = 0.0) -> Tensor:
        """(n_tokens, width) as (n_cells, length, width)."""
        if self.is_token is None:
            return x.view(self.n_cells, self.length, -1)
        padded = x.new_full((self.n_cells * self.length, x.shape[1]), value)
        padded[self.places] = x
        return padded.view(self.n_cells, self.length, -1)

    def pack(self, x: Tensor) -> Tensor:
        """(n_cells, length, width) as (n_tokens, width)."""
        flat = x.reshape(self.n_cells * self.length, -1)
        return flat if self.is_token is None else flat[self.places]


class ValueEmbedding(nn.Module):
    """Embeds a number as a weighted mean of `n_bins` learned vectors."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.mlp = nn.Linear(1, sizes.n_bins)
        self.mlp2 = nn.Linear(sizes.n_bins, sizes.n_bins)
        self.emb = nn.Embedding(sizes.n_bins, sizes.hidden)
        self.emb_mask = nn.Embedding(1, sizes.hidden)
        self.emb_pad = nn.Embedding(1, sizes.hidden)
        self._sizes = sizes

    def bins(self, values: Tensor) -> Tensor:
        """Weights (n_tokens, n_bins) of the bins; rows sum to 1."""
        h = functional.leaky_relu(self.mlp(values[:, None]), _SLOPE)
        return (self.mlp2(h) + self._sizes.bin_alpha * h).softmax(dim=1)

    def forward(self, values: Tensor) -> Tensor:
        """Embed values (n_tokens,) as (n_tokens, hidden)."""
        embedded = self.bins(values) @ self.emb.weight
        # Two values have a special meaning and embeddings of their own.
        is_mask = (values == self._sizes.mask_token_id)[:, None]
        is_pad = (values == self._sizes.pad_token_id)[:, None]
        embedded = torch.where(is_mask, self.emb_mask.weight, embedded)
        return torch.where(is_pad, self.emb_pad.weight, embedded)


class SelfAttention(nn.Module):
    """Every token of a cell attends to every token of the same cell."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * hidden, hidden))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * hidden))
        self.out_proj = nn.Linear(hidden, hidden)
        self._heads = heads

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Mix tokens (n_tokens, hidden)."""
        x = x.to(self.in_proj_weight.dtype)
        qkv = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        if layout.cells:
            # A processor takes one cell after the other: padding would cost more than it gains.
            of_cells = [self._mixed(qkv[None, start:stop])[0] for start, stop in layout.cells]
            return self.out_proj(torch.cat(of_cells).flatten(1))
        mask = None if layout.is_token is None else layout.is_token[:, None, None, :]
        return self.out_proj(layout.pack(self._mixed(layout.pad(qkv), mask)))

    def _mixed(self, qkv: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attention of cells (n_cells, length, 3 x hidden): (n_cells, length, heads, size)."""
        q, k, v = qkv.unflatten(2, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


class Layer(nn.Module):
    """LN(x + attention), then LN(y + feed-forward)."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(hidden, heads)
        self.linear1 = nn.Linear(hidden, 4 * hidden)
        self.linear2 = nn.Linear(4 * hidden, hidden)
        self.norm1 = nn.LayerNorm(hidden)
        self.norm2 = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Map tokens (n_tokens, hidden) to the same shape."""
        y = self.norm1(x + self.self_attn(x, layout))
        return self.norm2(y + self.linear2(self.linear1(y.to(self.linear1.weight.dtype)).relu_()))


class Transformer(nn.Module):
    """Layers, then one layer norm."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        layers = [Layer(sizes.hidden, sizes.heads) for _ in range(sizes.depth)]
        self.transformer_encoder = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(sizes.hidden)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Map tokens (n_tokens, hidden) to the same shape."""
        for layer in self.transformer_encoder:
            x = layer(x, layout)
        return self.norm(x)

    def lower(self) -> None:
        """Multiply matrices in bfloat16; sums and norms stay in float32."""
        for layer in self.transformer_encoder:
            for part in (layer.self_attn, layer.linear1, layer.linear2):
                part.to(torch.bfloat16)


class CellEncoder(nn.Module):
    """Maps tokens to the embedding of a cell."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.token_emb = ValueEmbedding(sizes)
        self.pos_emb = nn.Embedding(sizes.n_positions, sizes.hidden)
        self.encoder = Transformer(sizes)

    def forward(self, ids: Tensor, values: Tensor, lengths: Tensor, pool: Pool) -> Tensor:
        """Embed cells whose tokens are stored one after the other.

        Parameters
        ----------
        ids, values
            Position and value of each token, (n_tokens,). The last two tokens of a cell are its
            target and source depth.
        lengths
            Number of tokens of each cell, (n_cells,).
        pool
            "all": source, target, maximum and mean over genes, (n_cells, 4 x hidden). "max":
            maximum over all tokens, (n_cells, hidden).
        """
        return self.pooled(self.token_emb(values) + self.pos_emb(ids), lengths, pool)

    def pooled(self, x: Tensor, lengths: Tensor, pool: Pool) -> Tensor:
        """The same, from the embeddings of tokens, x (n_tokens, hidden)."""
        layout = Layout.of(lengths)
        y = self.encoder(x, layout)
        if pool == "max":
            return layout.pad(y, -torch.inf).amax(dim=1)
        source, target = y[layout.ends], y[layout.ends - 1]
        genes = torch.ones(len(y), 1, dtype=torch.bool, device=y.device)
        genes[layout.ends] = genes[layout.ends - 1] = False
        highest = layout.pad(y.masked_fill(~genes, -torch.inf), -torch.inf).amax(dim=1)
        mean = layout.pad(y.masked_fill(~genes, 0)).sum(dim=1) / (lengths[:, None] - 2)
        return torch.cat([source, target, highest, mean], dim=1)
