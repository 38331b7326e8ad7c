"""Search spaces: YAML files with the settings that a search may choose, and their values.

The published spaces lie in `spaces/`, one a family. They name what pretraining reads, so that the
best values need no renaming (defect D20), and what was a constant in a file is an option (D21).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

from scatd import ranges
from scatd.errors import Faults, InputError
from scatd.ranges import (
    Count,
    LearningRate,
    WeightDecay,
    WeightOfSome,
    Width,
    check_fields,
    hints_of,
    plain_type,
)
from scatd.settings import from_mapping, load_yaml, to_mapping
from scatd.training.settings import PretrainSettings, Schedule

SPACES = Path(__file__).parent / "spaces"


class Picker(Protocol):
    """Picks values: a trial of Optuna."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None, log: bool
    ) -> float:
        """Pick a number."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """Pick a whole number."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Pick one of a list."""
        ...


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        """Refuse ranges that hold nothing, and what a log scale cannot have."""
        check_fields(self)
        if self.low < 0 or self.low > self.high:
            what = f"the range from {self.low:g} to {self.high:g} cannot be searched"
            raise InputError(what, expected="0 <= low <= high")
        if self.log and (self.low == 0 or self.step is not None):
            raise InputError("a log scale has neither 0 nor steps", expected="low above 0, no step")
        if self.step is not None:
            n_steps = (self.high - self.low) / self.step if self.step > 0 else 0.5
            if abs(n_steps - round(n_steps)) > 1e-9:
                what = f"steps of {self.step:g} do not lead from {self.low:g} to {self.high:g}"
                raise InputError(what, expected="a range of whole steps")


@dataclass(frozen=True)
class Searchable:
    """All settings that a space may name, with their types. The values here are not used."""

    epochs: Count = 1
    batch_size: Count = 1
    learning_rate: LearningRate = 1.0
    weight_decay: WeightDecay = 1.0
    schedule: Schedule = "constant"
    rec_beta: WeightOfSome = 1.0
    n_latent: Width = 1
    blocks: Annotated[int, ranges.Range(1, 20)] = 1
    first_width: Width = 1
    last_width: Width = 1
    encoder_width: Width = 1
    decoder_width: Width = 1

    def __post_init__(self) -> None:
        """Refuse settings that pretraining would refuse."""
        check_fields(self)


TYPES = {name: plain_type(hint) for name, hint in hints_of(Searchable).items()}
_WIDTHS = ("blocks", "first_width", "last_width")


@dataclass(frozen=True)
class Space:
    """The settings that a search may choose, and their values.

    Parameters
    ----------
    choices
        By name: a `Range`, a tuple of choices, or a fixed value.
    """

    choices: Mapping[str, Any]

    def fixed(self, **values: Any) -> Space:
        """The same space with some values fixed."""
        return Space({**self.choices, **values})

    def pick(self, picker: Picker, base: PretrainSettings) -> PretrainSettings:
        """Let `picker` choose; what the space does not name is as in `base`."""
        fields = {field.name for field in dataclasses.fields(PretrainSettings)}
        values = {name: self._value(picker, name) for name in self.choices if name in fields}
        if "blocks" in self.choices:
            n_between = self._value(picker, "blocks") - 1
            first, last = (self._value(picker, name) for name in ("first_width", "last_width"))
            encoder = self._between(picker, "encoder_width", n_between)
            mirrored = "decoder_width" not in self.choices
            decoder = (
                encoder[::-1] if mirrored else self._between(picker, "decoder_width", n_between)
            )
            values["encoder_hidden"] = (first, *encoder, last)
            values["decoder_hidden"] = (*decoder, first)
        return replace(base, **values)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as in the file."""
        return {
            name: to_mapping(choice)
            if isinstance(choice, Range)
            else list(choice)
            if isinstance(choice, tuple)
            else choice
            for name, choice in self.choices.items()
        }

    def _between(self, picker: Picker, name: str, n_between: int) -> tuple[int, ...]:
        return tuple(self._value(picker, name, f"_{i}") for i in range(1, n_between + 1))

    def _value(self, picker: Picker, name: str, suffix: str = "") -> Any:
        choice = self.choices[name]
        if isinstance(choice, tuple):
            return picker.suggest_categorical(name + suffix, choice)
        if not isinstance(choice, Range):
            return choice
        low, high, step = choice.low, choice.high, choice.step
        if TYPES[name] is int:
            return picker.suggest_int(
                name + suffix, int(low), int(high), step=int(step or 1), log=choice.log
            )
        return picker.suggest_float(name + suffix, low, high, step=step, log=choice.log)


def read_space(path: Path | None, family: str) -> Space:
    """Read a search space; without a file, the published one of the family.

    Raises
    ------
    InputError
        Lists every name that cannot be searched and every value that cannot be used.
    """
    path = path or SPACES / f"{family}.yaml"
    faults = Faults(str(path))
    choices: dict[str, Any] = {}
    for name, value in load_yaml(path).items():
        try:
            choices[name] = _choice(name, value)
        except InputError as error:
            faults.take(error.changed(where=str(name)))
    widths = {name for name in TYPES if name.endswith("width") or name == "blocks"} & set(choices)
    lacking = [name for name in _WIDTHS if widths and name not in choices]
    if not lacking and widths and _most(choices["blocks"]) > 1 and "encoder_width" not in choices:
        lacking = ["encoder_width"]
    if lacking:
        faults.add(
            f"{', '.join(sorted(widths))} alone make no network",
            expected=f"also {', '.join(lacking)}",
        )
    faults.raise_if_any()
    return Space(choices)


def _choice(name: str, value: Any) -> Any:
    """One entry of a file, checked."""
    if name in ("encoder_hidden", "decoder_hidden"):
        what = "layer widths are searched as blocks, first_width, encoder_width and last_width"
        raise InputError(what, remedy="See the published spaces.")
    if name not in TYPES:
        raise InputError("... cannot be searched", expected="one of " + ", ".join(TYPES))
    if isinstance(value, dict | list) and name == "rec_beta":
        what = "trials with different weights of the reconstruction cannot be compared"
        raise InputError(what, expected="one value")
    if isinstance(value, dict):
        found = from_mapping(Range, value, where="")
        if TYPES[name] not in (int, float):
            raise InputError("... has no low and high", expected="a value or a list of values")
        numbers = [found.low, found.high, found.step or 0]
        if TYPES[name] is int and any(number != int(number) for number in numbers):
            raise InputError("... is a count", expected="whole numbers")
        for end in (found.low, found.high):
            _plain(name, int(end) if TYPES[name] is int else end)
        return found
    if isinstance(value, list):
        if not value:
            raise InputError("the list is empty", expected="at least one value")
        return tuple(_plain(name, item) for item in value)
    return _plain(name, value)


def _plain(name: str, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (value < 0 or (value == 0 and name != "weight_decay")):
        raise InputError(f"... is {value:g}", expected="more than 0")
    return getattr(from_mapping(Searchable, {name: value}, where=""), name)


def _most(choice: Any) -> int:
    if isinstance(choice, Range):
        return int(choice.high)
    return max(choice) if isinstance(choice, tuple) else choice
