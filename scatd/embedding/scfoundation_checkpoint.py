"""Read scFoundation's published `models.ckpt`; no code in it is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scatd.embedding.loading import load_tensors
from scatd.embedding.scfoundation_input import N_GENES
from scatd.embedding.scfoundation_network import CellEncoder, EncoderSizes
from scatd.embedding.settings import VERSION_ENTRIES, WeightsVersion
from scatd.errors import Faults, InputError
from scatd.wording import counted

_EXPECTED = "scFoundation's models.ckpt"
_PREFIX = "model."


def read_encoder(path: Path, version: WeightsVersion) -> CellEncoder:
    """Read the encoder of one version, in eval mode; the decoder is not read.

    Raises
    ------
    InputError
        When the file is missing, damaged, contains code, lacks this version, or holds a network
        that differs from the published one.
    """
    entry = _entry(load_tensors(path, expected=_EXPECTED), version, path)
    sizes = _sizes(entry, path)
    with torch.device("meta"):
        network = CellEncoder(sizes)
    state = {
        name.partition(_PREFIX)[2].partition(_PREFIX)[0]: value
        for name, value in entry["state_dict"].items()
    }
    faults = Faults(str(path))
    used = {}
    for name, empty in network.state_dict().items():
        value = state.get(name)
        if not isinstance(value, torch.Tensor):
            faults.add(f"... has no tensor '{name}'", expected=_EXPECTED)
        elif value.shape != empty.shape or not value.is_floating_point():
            shape, wanted = tuple(value.shape), tuple(empty.shape)
            faults.add(f"'{name}' is {shape} of {value.dtype}", expected=f"{wanted}, real numbers")
        else:
            used[name] = value.float()
    faults.raise_if_any()
    network.load_state_dict(used, assign=True)
    return network.eval()


def _entry(loaded: Any, version: WeightsVersion, path: Path) -> Mapping[str, Any]:
    key = VERSION_ENTRIES[version]
    if not isinstance(loaded, dict) or not any(name in loaded for name in VERSION_ENTRIES.values()):
        what = "... is another kind of checkpoint: it has none of the entries rde and cell"
        raise InputError(what, where=str(path), expected=_EXPECTED)
    if key not in loaded:
        there = [word for word, name in VERSION_ENTRIES.items() if name in loaded]
        remedy = f"It has --version {' and '.join(there)}."
        raise InputError(
            f"... has no entry '{key}'", where=f"{path}: --version {version}", remedy=remedy
        )
    entry = loaded[key]
    if not (
        isinstance(entry, dict)
        and isinstance(entry.get("config"), dict)
        and isinstance(entry.get("state_dict"), dict)
    ):
        what = f"its entry '{key}' has no config and state_dict"
        raise InputError(what, where=str(path), expected=_EXPECTED)
    return entry


def _sizes(entry: Mapping[str, Any], path: Path) -> EncoderSizes:
    """Sizes in the entry's configuration: those of the model, updated by those of the data set."""
    try:
        config = entry["config"]
        merged = {**config["model_config"][config["model"]], **config["dataset_config"]["rnaseq"]}
        encoder = merged["encoder"]
        kind = (config["model"], encoder["module_type"])
        sizes = EncoderSizes(
            hidden=int(encoder["hidden_dim"]),
            depth=int(encoder["depth"]),
            heads=int(encoder["heads"]),
            n_bins=int(merged["bin_num"]),
            bin_alpha=float(merged["bin_alpha"]),
            n_positions=int(merged["seq_len"]) + 1,
            pad_token_id=float(merged["pad_token_id"]),
            mask_token_id=float(merged["mask_token_id"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        what = f"its configuration is not as published ({type(error).__name__}: {error})"
        raise InputError(what, where=str(path), expected=_EXPECTED) from error
    if kind != ("mae_autobin", "transformer"):
        what = f"... holds a network of kind {kind[0]} with layers of kind {kind[1]}"
        raise InputError(what, where=str(path), expected="mae_autobin, transformer")
    if sizes.n_positions < N_GENES + 2 or sizes.hidden % sizes.heads:
        what = (
            f"... holds a network of {counted(sizes.n_positions, 'position')} and "
            f"{counted(sizes.heads, 'head')}"
        )
        raise InputError(what, where=str(path), expected=f"at least {N_GENES + 2} positions")
    return sizes
