"""Types of options: numbers in a range, and text that is not empty.

Every option and argument has one of these types, or one of `scatd.cli.paths` and
`scatd.cli.path_or_name`, or a `click.Choice`, or is a switch. A test holds that.
"""

from __future__ import annotations

import math
import re
from typing import Any, get_args

import click

from scatd.errors import InputError
from scatd.keys import ARCHIVED, PREVIOUS, PRODUCTION, STAGING
from scatd.ranges import plain_type, range_of, shortened

ALL = "all"
"""Every drug that there is."""
_WHOLE = re.compile(r"[-+]?[0-9]{1,400}")


def name_of(param: click.Parameter | None) -> str:
    """An option as the user writes it: `--batch-size`; an argument in capitals."""
    if param is None:
        return ""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name


class Number(click.ParamType):
    """A finite number in the range of an annotation of `scatd.ranges`."""

    def __init__(self, hint: Any) -> None:
        self.is_whole = plain_type(hint) is int
        self.name = "integer" if self.is_whole else "float"
        self.range = range_of(hint)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """The number, or a refusal that names the option."""
        number = self._number(value)
        if number is None:
            self.fail(f"'{shortened(value)}' is not a valid {self.name}.", param, ctx)
        expected = self.range.refusal(number) if self.range else ""
        if not expected and not math.isfinite(number):
            expected = "a finite number"
        if expected:
            raise InputError(f"{name_of(param)} is {shortened(value)}", expected=expected)
        return number

    def _number(self, value: Any) -> int | float | None:
        text = str(value).strip()
        if self.is_whole:
            return int(text) if _WHOLE.fullmatch(text) else None
        # Python reads 1_000 and digits of other scripts, which a settings file does not.
        if "_" in text or not text.isascii():
            return None
        try:
            return float(text)
        except ValueError:
            return None


class Text(click.ParamType):
    """Text of at least one character that can be seen, in one line.

    Parameters
    ----------
    pattern
        Regular expression that all of it matches; None takes any text.
    expected
        What a refusal names.
    about_data
        Whether it says what the user's data hold.
    name
        In capitals, it stands for the value in the help.
    """

    name = "text"

    def __init__(
        self,
        pattern: str | None = None,
        expected: str = "",
        *,
        about_data: bool = False,
        name: str = "",
    ) -> None:
        self.pattern, self.expected, self.about_data = pattern, expected, about_data
        self.name = name or self.name

    def is_of_data(self, value: Any) -> bool:
        """Whether this value belongs to data of the user's."""
        del value
        return self.about_data

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as it is, or a refusal that names the option."""
        del ctx
        text = str(value)
        if not text.strip():
            raise InputError(f"{name_of(param)} is empty", expected=self.expected or "some text")
        if not text.isprintable():
            what = f"{name_of(param)} holds characters that are no text ({text[:60]!a})"
            raise InputError(what, expected=self.expected or "text in one line")
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            what = f"{name_of(param)} is '{shortened(text)}'"
            raise InputError(what, expected=self.expected)
        return value


class OfData(click.Choice[str]):
    """A word about the user's data, such as their scale: one of a `Literal`."""

    def __init__(self, words: Any) -> None:
        super().__init__(get_args(words))

    def is_of_data(self, value: Any) -> bool:
        """Whether this value belongs to data of the user's: it does."""
        del value
        return True


class Drug(Text):
    """Name of one drug: with a letter or a digit."""

    def __init__(self) -> None:
        super().__init__(expected="the name of a drug, such as docetaxel")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name as it is, or a refusal."""
        super().convert(value, param, ctx)
        if not any(character.isalnum() for character in value):
            raise InputError(f"{name_of(param)} is '{shortened(value)}'", expected=self.expected)
        return value


class Names(Text):
    """Names with commas between them, none of them empty; `all` stands alone."""

    def __init__(self, what: str = "drugs") -> None:
        super().__init__(expected=f"{what} with commas between them: A,B,C")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as it is, or a refusal."""
        super().convert(value, param, ctx)
        names = split_names(value)
        if not all(any(character.isalnum() for character in name) for name in names):
            what = f"{name_of(param)} is '{shortened(value)}', which has an empty name"
            raise InputError(what, expected=self.expected)
        if len(names) > 1 and ALL in map(str.casefold, names):
            what = f"{name_of(param)} is '{shortened(value)}'"
            raise InputError(what, expected=f"{self.expected}; or {ALL} by itself")
        return value


def split_names(text: str) -> tuple[str, ...]:
    """The names of a list with commas."""
    return tuple(name.strip() for name in text.split(","))


def is_all(text: str) -> bool:
    """Whether a list of drugs asks for all of them."""
    return text.strip().casefold() == ALL


class Rows(Text):
    """Rows of a cohort, `A:B`, counted from 0."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The rows, or a refusal."""
        super().convert(value, param, ctx)
        from scatd.parts.rows import read_span

        return read_span(str(value))


class LabelMap(Text):
    """`S=sensitive,R=resistant`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as it is, where it can be read as words for responses."""
        super().convert(value, param, ctx)
        from scatd.data.label_words import read_label_map

        read_label_map(value)
        return value


TEXT = Text()
COLUMN = Text(expected="the name of a column", name="column")
DRUG, DRUGS = Drug(), Names()
ROWS = Rows(expected="A:B, rows counted from 0", name="A:B")
LAYER = Text(about_data=True, name="name")
LABEL_MAP = LabelMap(
    expected="WORD=sensitive and WORD=resistant, such as S=sensitive,R=resistant", about_data=True
)
DEVICE = Text(
    r"auto|cpu|cuda(:\d{1,4})?|mps(:\d{1,4})?", "auto, cpu, cuda, cuda:N or mps", name="name"
)
STAGES = (PRODUCTION, STAGING, PREVIOUS, ARCHIVED)
STAGE = Text(
    rf"{'|'.join(STAGES)}|[1-9]\d{{0,9}}",
    f"{', '.join(STAGES)} or a version number",
    name="stage",
)
