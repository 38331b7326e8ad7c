"""Cell embeddings of Geneformer: BERT of transformers, without the unused last layer and head."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from scatd.data.files import sha256_file
from scatd.embedding.cells import Cells, CutCell, fitting_tokens
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.embedding.loading import load_tensors
from scatd.embedding.settings import Precision
from scatd.errors import InputError
from scatd.nn.products import fast_products
from scatd.wording import counted

CPU_TOKENS = 4096
_WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
_LAYERS_LEFT_OUT = 1
"""The embedding is read before the last layer (published: `emb_layer = -1`)."""


class Geneformer:
    """A Geneformer model. `geneformer_tokens` makes its tokens.

    Parameters
    ----------
    weights
        Folder with `config.json` and weights, or a name on the Hugging Face hub.
    vocabulary
        Tokens that the model must have.
    precision, device
        Precision of the computation, and the device.

    Raises
    ------
    InputError
        When the model cannot be found, or is not a BERT with this vocabulary.
    """

    def __init__(
        self,
        weights: str,
        vocabulary: GeneVocabulary,
        *,
        precision: Precision = "float32",
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.precision = precision
        folder = _folder_of(weights)
        self.sha256 = sha256_file(_weights_file(folder))
        self._vocabulary_sha256 = vocabulary.sha256()
        model = _load(folder)
        highest = max(vocabulary.tokens.values())
        if highest >= model.config.vocab_size:
            what = (
                f"... knows {counted(model.config.vocab_size, 'token')}, and the dictionaries go "
                f"up to {highest}"
            )
            remedy = "Model and dictionaries must belong together (both of the 30M models)."
            raise InputError(what, where=weights, remedy=remedy)
        self.model = model.to(self.device, torch.bfloat16 if precision == "mixed" else None)

    @property
    def width(self) -> int:
        """Features of an embedding: 256 for 6 layers, 512 for 12."""
        return int(self.model.config.hidden_size)

    @property
    def max_tokens(self) -> int:
        """Number of ranks of a cell that are kept: the number of positions of the model."""
        return int(self.model.config.max_position_embeddings)

    @property
    def tokens_per_batch(self) -> int:
        """Number of tokens that fit into half of the free memory of a GPU."""
        if self.device.type != "cuda":
            return CPU_TOKENS
        free, _ = torch.cuda.mem_get_info(self.device)
        return fitting_tokens(free, self.width, CPU_TOKENS)

    @property
    def identity(self) -> dict[str, str]:
        """Everything except the cell that determines an embedding."""
        return {
            "backend": "geneformer",
            "weights_sha256": self.sha256,
            "dictionaries_sha256": self._vocabulary_sha256,
            "precision": self.precision,
        }

    def cut(self, cell: Cells) -> CutCell:
        """The model cut after the word embeddings of a cell; absent genes are padding tokens."""
        ids = torch.from_numpy(cell.ids).long().to(self.device)
        words = self.model.embeddings.word_embeddings
        with torch.no_grad():
            present = words(ids).float()
            absent = words(torch.full_like(ids, self.model.config.pad_token_id or 0)).float()

        def embed(tokens: Tensor) -> Tensor:
            states = self.model(inputs_embeds=tokens.to(words.weight.dtype)).last_hidden_state
            return states.float().mean(dim=1)

        return CutCell(present, absent, torch.ones_like(ids, dtype=torch.bool), embed)

    def encode(self, cells: Cells) -> NDArray[np.float32]:
        """Mean over a cell's tokens of the output of the second-last layer, (n_cells, width)."""
        lengths = torch.from_numpy(cells.lengths)
        longest = int(lengths.max())
        is_token = torch.arange(longest) < lengths[:, None]
        ids = torch.zeros(len(cells), longest, dtype=torch.long)
        ids[is_token] = torch.from_numpy(cells.ids).long()
        is_token = is_token.to(self.device)
        on_cpu = self.device.type == "cpu"
        with torch.inference_mode(), fast_products() if on_cpu else contextlib.nullcontext():
            states = self.model(
                input_ids=ids.to(self.device), attention_mask=is_token.long()
            ).last_hidden_state
            total = states.float().masked_fill(~is_token[:, :, None], 0).sum(dim=1)
            return (total / is_token.sum(dim=1, keepdim=True)).cpu().numpy()


def _folder_of(weights: str) -> Path:
    """The folder of the model; it is downloaded from the hub unless it is already here."""
    if Path(weights).is_dir():
        return Path(weights)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(weights, allow_patterns=["config.json", *_WEIGHTS_FILES])
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        first_line = str(error).strip().splitlines()[0]
        what = f"... is no folder here, and the hub does not give it ({first_line})"
        remedy = (
            "Get a model, and name it with --weights geneformer-12L: scatd download geneformer-12L"
        )
        raise InputError(what, where=f"--weights {weights}", remedy=remedy) from error
    return Path(found)


def _weights_file(folder: Path) -> Path:
    for name in _WEIGHTS_FILES:
        if (folder / name).is_file():
            return folder / name
    expected = f"config.json and {' or '.join(_WEIGHTS_FILES)}"
    raise InputError("... holds no model", where=str(folder), expected=expected)


def _load(folder: Path) -> Any:
    """BERT without pooler, head and last layer, in eval mode."""
    from transformers import BertConfig, BertModel

    weights = _weights_file(folder)
    expected = "a Geneformer model of the 30M generation (BERT)"
    try:
        config = BertConfig.from_pretrained(folder)
    except (OSError, ValueError, TypeError) as error:
        first_line = str(error).strip().splitlines()[0]
        what = f"its config.json cannot be read ({first_line})"
        raise InputError(what, where=str(folder), expected=expected) from error
    n_layers = config.num_hidden_layers - _LAYERS_LEFT_OUT
    if config.model_type != "bert" or n_layers < 1:
        what = (
            f"... holds a model of type {config.model_type} with {counted(n_layers + 1, 'layer')}"
        )
        raise InputError(what, where=str(folder), expected=expected)
    config.num_hidden_layers = n_layers
    model = BertModel(config, add_pooling_layer=False)
    state = _own_state(weights, expected)
    wanted = {name: value.shape for name, value in model.named_parameters()}
    missing = [name for name in wanted if name not in state]
    if missing:
        what = f"... has no tensor '{missing[0]}' ({len(missing)} of {len(wanted)} are missing)"
        raise InputError(what, where=str(weights), expected=expected)
    for name, shape in wanted.items():
        if state[name].shape != shape:
            what = f"'{name}' is {tuple(state[name].shape)}"
            raise InputError(
                what, where=str(weights), expected=f"{tuple(shape)}, as config.json says"
            )
    model.load_state_dict({name: state[name].float() for name in wanted}, strict=False)
    return model.eval().requires_grad_(requires_grad=False)


def _own_state(path: Path, expected: str) -> dict[str, torch.Tensor]:
    """Tensors under BERT's own names, for any head that was trained on top of it."""
    if path.suffix == ".safetensors":
        try:
            found = load_file(path)
        except (SafetensorError, OSError) as error:
            what, remedy = f"... cannot be read ({error})", "Copy or download it again."
            raise InputError(what, where=str(path), expected=expected, remedy=remedy) from error
    else:
        found = load_tensors(path, expected=expected)
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise InputError("... holds no dictionary of tensors", where=str(path), expected=expected)
    return {name.removeprefix("bert."): value for name, value in found.items()}
