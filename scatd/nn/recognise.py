"""Recognise a published state: its kind, design and sizes, from names and shapes of its tensors.

A state that does not fit is refused with a table before a network is built. A state that is loaded
into the wrong class would give meaningless scores without an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from scatd.errors import InputError
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.wording import counted, some_of

Kind = Literal["backbone", "response"]
N = TypeVar("N", bound=ResidualVAE | ResponseClassifier)
T = TypeVar("T")

FAMILY_DESIGNS = {"sf": ("sf",), "gf": ("gf",), "dist": ("dist", "dist_script")}
"""Published classes of a family; gf and the pretraining script of dist have the same layout."""

PUBLISHED_WIDTHS = {3072: "sf", 512: "gf", 256: "gf", 19264: "dist"}
"""Family of each number of features; it decides between families with the same layout."""

KIND_WORDS: dict[Kind, str] = {"backbone": "backbone", "response": "response model"}

_HEAD_ONLY = ("fc3.", "bn3.")
_FC_WEIGHTS = ("fc.weight", "fc.weight_orig", "downsample.weight", "downsample.weight_orig")
_ROWS_OF_EACH_KIND = 8


@dataclass(frozen=True)
class Recognised:
    """The network that a state belongs to. A response model has no decoder widths.

    Without `has_head` it holds the encoder alone: something else scores.
    """

    kind: Kind
    design: str
    sizes: Sizes
    has_head: bool = True


def recognise(state: Mapping[str, Tensor], family: str, *, where: str) -> Recognised:
    """Find the class that a state belongs to, and check every tensor against it.

    Parameters
    ----------
    state
        Tensors under the published names.
    family
        The family that the user named; one of `FAMILY_DESIGNS`.
    where
        Shown in error messages, normally the file name.

    Raises
    ------
    InputError
        When names, shapes or types are not those of the family (with a table, and the family that
        fits better), when values are not finite, or when blocks that share one Swish have
        different betas.
    """
    kind: Kind = "response" if any(name.startswith(_HEAD_ONLY) for name in state) else "backbone"
    sizes = _sizes(state, kind, where)
    misfits = {design: _misfits(state, kind, sizes, design) for design in DESIGNS}
    own = min(FAMILY_DESIGNS[family], key=lambda design: len(misfits[design]))
    looks_like = _nearest_families(misfits, sizes)
    if misfits[own]:
        hint = f"It looks like family {' or '.join(looks_like)}; --family says which."
        raise InputError(
            f"... is no {KIND_WORDS[kind]} of family {family}\n{_table(misfits[own])}",
            where=where,
            remedy="" if family in looks_like else hint,
        )
    if family not in looks_like:
        raise InputError(
            f"... reads {counted(sizes.n_features, 'feature')}, which is family {looks_like[0]}",
            where=where,
            expected=f"a {KIND_WORDS[kind]} of family {family}, which has the same layout",
            remedy=f"Use --family {looks_like[0]}.",
        )
    _require_finite(state, where)
    if DESIGNS[own].swish == "shared":
        _require_one_beta(state, where)
    return Recognised(kind, own, sizes)


def require_network(state: Mapping[str, Tensor], said: Recognised, *, where: str) -> None:
    """Refuse a state that does not fit the network of its card, or has values that are not finite.

    Parameters
    ----------
    said
        The network that the card describes.

    Raises
    ------
    InputError
        With a table of the tensors that differ.
    """
    misfits = _misfits(state, said.kind, said.sizes, said.design, has_head=said.has_head)
    if misfits:
        what = f"... does not hold the {KIND_WORDS[said.kind]} that its card describes"
        raise InputError(f"{what}\n{_table(misfits)}", where=where)
    _require_finite(state, where)
    if DESIGNS[said.design].swish == "shared":
        _require_one_beta(state, where)


@dataclass(frozen=True, eq=False)
class _Misfit:
    """One tensor that differs. `None` stands for a tensor or a value that is missing."""

    name: str
    expected: Tensor | None
    found: Tensor | None


def _sizes(state: Mapping[str, Tensor], kind: Kind, where: str) -> Sizes:
    """Read the layer widths from the tensors of each layer.

    Raises
    ------
    InputError
        When a layer has no tensor that shows its width.
    """
    n_features = _length(state, [f"Encoder_resblocks.0.{name}" for name in _FC_WEIGHTS], axis=1)
    n_latent = _length(state, ["fc21.bias", "fc22.bias", "fc21.weight", "fc21.weight_orig"])
    encoder = _block_widths(state, "Encoder_resblocks")
    if not (n_features and n_latent and encoder):
        raise InputError(
            f"... holds no whole encoder of scATD, but {some_of(state, 4) or 'nothing'}",
            where=where,
            expected="names such as Encoder_resblocks.0.fc.weight and fc21.bias",
        )
    decoder = _block_widths(state, "Decoder_resblocks")
    if kind == "response":
        return Sizes(n_features, n_latent, encoder, ())
    if not decoder:
        raise InputError(
            "... holds an encoder alone",
            where=where,
            expected="a decoder (Decoder_resblocks, fc4) or a classifier's head (fc3, bn3, fc4)",
        )
    return Sizes(n_features, n_latent, encoder, decoder)


def _block_widths(state: Mapping[str, Tensor], prefix: str) -> tuple[int, ...]:
    """Output widths of the blocks. Empty when there are none, or when a width cannot be read."""
    pattern = re.compile(rf"{prefix}\.(\d{{1,4}})\.")
    numbers = {int(found[1]) for name in state if (found := pattern.match(name))}
    widths = [
        _length(
            state, [f"{prefix}.{number}.{name}" for name in ("fc.bias", "bn.bias", "bn.weight")]
        )
        for number in sorted(numbers)
    ]
    is_whole = numbers == set(range(len(numbers))) and all(widths)
    return tuple(widths) if is_whole else ()


def _length(state: Mapping[str, Tensor], names: Sequence[str], axis: int = 0) -> int:
    """Length along `axis` of the first of these tensors that has one, else 0."""
    found = (state[name].shape for name in names if name in state)
    return next((shape[axis] for shape in found if len(shape) > axis), 0)


_FILLING = ("normal_", "uniform_", "normalize")


class _Unfilled(TorchFunctionMode):
    """Leaves new weights uninitialised: drawing them without memory makes torch load a compiler."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        is_filling = getattr(func, "__module__", "") == "torch.nn.init"
        if is_filling or getattr(func, "__name__", "") in _FILLING:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def tensors_of(kind: Kind, sizes: Sizes, design: str) -> dict[str, Tensor]:
    """All tensors of a network by name, with shapes and types and without memory."""
    cls = ResidualVAE if kind == "backbone" else ResponseClassifier
    return unfilled(cls, sizes, design).state_dict()


def unfilled(cls: type[N], sizes: Sizes, design: str) -> N:
    """A network whose tensors have no memory: none is drawn that is then replaced."""
    with torch.device("meta"), _Unfilled():
        return cls(sizes, DESIGNS[design])


def _misfits(
    state: Mapping[str, Tensor], kind: Kind, sizes: Sizes, design: str, *, has_head: bool = True
) -> list[_Misfit]:
    """Tensors that are missing, unexpected, or of another shape or type than the design's."""
    expected = tensors_of(kind, sizes, design)
    if not has_head:
        expected = {n: v for n, v in expected.items() if not n.startswith(HEAD_PREFIXES)}
    missing = [_Misfit(name, expected[name], None) for name in expected if name not in state]
    unexpected = [_Misfit(name, None, state[name]) for name in state if name not in expected]
    different = [
        _Misfit(name, expected[name], state[name])
        for name in expected
        if name in state and _described(expected[name]) != _described(state[name])
    ]
    return missing + unexpected + different


def _nearest_families(misfits: Mapping[str, Sequence[_Misfit]], sizes: Sizes) -> list[str]:
    """Families with the fewest misfits. Only one, if the number of features decides."""
    fewest = min(map(len, misfits.values()))
    families = [
        family
        for family, designs in FAMILY_DESIGNS.items()
        if any(len(misfits[design]) == fewest for design in designs)
    ]
    told = PUBLISHED_WIDTHS.get(sizes.n_features)
    return [told] if told in families else families


def _table(misfits: Sequence[_Misfit]) -> str:
    """Three columns, some rows of each kind of misfit, and a last line that counts them."""
    missing = [misfit for misfit in misfits if misfit.found is None]
    unexpected = [misfit for misfit in misfits if misfit.expected is None]
    different = [
        misfit for misfit in misfits if misfit.found is not None and misfit.expected is not None
    ]
    shown = [
        misfit
        for group in (missing, unexpected, different)
        for misfit in group[:_ROWS_OF_EACH_KIND]
    ]
    rows = [("tensor", "expected", "found")]
    rows += [
        (
            misfit.name,
            "none" if misfit.expected is None else _described(misfit.expected),
            "none" if misfit.found is None else _described(misfit.found),
        )
        for misfit in shown
    ]
    name_width, expected_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {a:<{name_width}}  {b:<{expected_width}}  {c}" for a, b, c in rows]
    if len(shown) < len(misfits):
        lines.append("  ...")
    numbers = f"{len(missing)} missing, {len(unexpected)} unexpected"
    return "\n".join([*lines, f"  {numbers}, {len(different)} of another shape or type"])


def _described(tensor: Tensor) -> str:
    shape = " x ".join(map(str, tensor.shape)) or "one"
    return f"{shape} {str(tensor.dtype).removeprefix('torch.')}"


def is_finite(values: Tensor) -> bool:
    """Return True when no value is NaN or infinite; needs one pass."""
    return not values.numel() or all(bool(end.isfinite()) for end in values.aminmax())


def under(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Return the entries whose names start with a prefix, without the prefix."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def require_tensor(
    tensors: Mapping[str, Tensor],
    name: str,
    shape: tuple[int | None, ...],
    where: str,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return a finite tensor of this shape (None: of any length) and type (None: of any type).

    Raises
    ------
    InputError
        When it is missing, or is not such a tensor.
    """
    found = tensors.get(name)
    if found is None:
        raise InputError(f"... lacks tensor '{name}'", where=where)
    is_like = len(shape) == found.dim() and all(
        length in (None, own) for length, own in zip(shape, found.shape, strict=True)
    )
    if not is_like:
        what = f"tensor '{name}' is of shape {tuple(found.shape)}"
        wanted = " x ".join("any" if length is None else str(length) for length in shape)
        raise InputError(what, where=where, expected=wanted or "one number")
    if dtype not in (None, found.dtype):
        what = f"tensor '{name}' is of type {_type_name(found.dtype)}"
        raise InputError(what, where=where, expected=_type_name(dtype))
    if not is_finite(found):
        raise InputError(f"tensor '{name}' holds NaN or infinite values", where=where)
    return found


def _type_name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")


def _require_finite(state: Mapping[str, Tensor], where: str) -> None:
    bad = {
        name: int((~value.isfinite()).sum())
        for name, value in state.items()
        if not is_finite(value)
    }
    if bad:
        some = some_of([f"{name} ({count})" for name, count in bad.items()], 5)
        raise InputError(
            f"NaN or infinite values in {counted(len(bad), 'tensor', of=len(state))}: {some}",
            where=where,
            remedy="Its training diverged: take an earlier checkpoint.",
        )


def _require_one_beta(state: Mapping[str, Tensor], where: str) -> None:
    in_blocks = re.compile(r"\w+_resblocks\.\d+\.swish\.beta")
    betas = sorted({float(state[name]) for name in state if in_blocks.fullmatch(name)})
    if len(betas) > 1:
        raise InputError(
            f"its blocks have {len(betas)} Swish betas ({', '.join(f'{b:.4g}' for b in betas)})",
            where=where,
            expected="one, which the published dist class shares between all blocks",
        )
