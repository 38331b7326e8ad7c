"""What an option may hold: numbers in their range, text that is there, files that exist.

Every option and argument has one of these types, a `click.Choice` or a switch; a test holds that.
What is written is judged while it is parsed; files are looked at when the command runs
(`require_files`), so that a help text or an example needs none.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

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
    """

    name = "text"

    def __init__(self, pattern: str | None = None, expected: str = "") -> None:
        self.pattern, self.expected = pattern, expected

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


class LabelMap(Text):
    """`S=sensitive,R=resistant`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as it is, where it can be read as words for responses."""
        super().convert(value, param, ctx)
        from scatd.data.labels import read_label_map

        read_label_map(value)
        return value


class _OnDisk(Text):
    """Something on disk that is looked at before the command runs."""

    name = "path"
    gives_path: ClassVar[bool] = True

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, not looked at yet; or the text that may name one."""
        super().convert(str(value), param, ctx)
        return Path(value) if self.gives_path else value

    def require(self, value: Any, option: str) -> None:
        """Look at it.

        Raises
        ------
        InputError
            When it cannot be used; the message begins with the option.
        """
        raise NotImplementedError


class Existing(_OnDisk):
    """A file, or a folder that is a cohort (`.zarr`, 10x)."""

    kinds: ClassVar[tuple[str, ...]] = ("file", "folder")

    def require(self, value: Any, option: str) -> None:
        """Refuse what is not there, is of the other kind or cannot be read."""
        path = Path(value)
        try:
            path.stat()
        except OSError as error:
            from scatd.data.files import require_existing

            with _said_of(option), contextlib.suppress(OSError):  # a name that is too long
                require_existing(path)
            what = f"cannot be read ({error.strerror})"
            raise InputError(what, where=f"{option} {shortened(str(path))}") from error
        kind = "folder" if path.is_dir() else "file"
        if kind not in self.kinds:
            expected = f"the path of a {self.kinds[0]}"
            raise InputError(f"is a {kind}", where=f"{option} {path}", expected=expected)
        if not os.access(path, os.R_OK):
            raise InputError("cannot be read (no permission)", where=f"{option} {path}")


class ExistingFile(Existing):
    """A file that exists."""

    kinds = ("file",)


class ExistingFolder(Existing):
    """A folder that exists."""

    kinds = ("folder",)


class NewFile(_OnDisk):
    """A file to write, with one of some suffixes where any are named."""

    def __init__(self, *suffixes: str) -> None:
        super().__init__()
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; its suffix is judged here."""
        path = super().convert(value, param, ctx)
        if self.suffixes and path.suffix.lower() not in self.suffixes:
            what = f"{name_of(param)}: '{path.name}' does not end in {' or '.join(self.suffixes)}"
            raise InputError(what)
        return path

    def require(self, value: Any, option: str) -> None:
        """Refuse a folder, and a file where nothing can be written."""
        from scatd.data.files import check_writable

        with _said_of(option):
            check_writable(Path(value))


class NewFolder(_OnDisk):
    """A folder to write, which may have to be made."""

    def require(self, value: Any, option: str) -> None:
        """Refuse a file, and a place where no folder can be made."""
        path = Path(value)
        whole = path.absolute()
        place = next(each for each in (whole, *whole.parents) if os.access(each, os.F_OK))
        if not place.is_dir():
            what = "is a file" if place == whole else f"{place} is a file"
            raise InputError(what, where=f"{option} {path}", expected="the path of a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            what = f"the folder {place} cannot be written to"
            raise InputError(what, where=f"{option} {path}", remedy="Choose another folder.")


class ColumnOrFile(_OnDisk):
    """`COLUMN | FILE | FILE:COLUMN`: what looks like a table of labels has to be there."""

    gives_path = False
    name = "text"

    def require(self, value: Any, option: str) -> None:
        """Refuse a table that is not there, and a folder with the name of one."""
        from scatd.data.tables import TABLE_SUFFIXES, has_suffix

        ends = [place for place, character in enumerate(value) if character == ":"]
        parts = [value, *(value[:end] for end in ends)]
        if any(Path(part).is_file() for part in parts):
            return
        for part in parts:
            if has_suffix(part, TABLE_SUFFIXES):
                ExistingFile().require(part, option)


class WordOrFile(_OnDisk):
    """One of some words, or a file that exists."""

    gives_path = False

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = words

    def require(self, value: Any, option: str) -> None:
        """Refuse what is neither."""
        if value not in self.words:
            Existing().require(value, option)


class NameOrPath(_OnDisk):
    """A name, or something on disk; what can only be a path has to be there.

    Parameters
    ----------
    kinds
        What it may be on disk: "file", "folder".
    suffixes
        Endings that no name has.
    """

    gives_path = False
    name = "text"

    def __init__(self, *kinds: str, suffixes: Sequence[str] = ()) -> None:
        super().__init__()
        self.kinds, self.suffixes = kinds, tuple(suffixes)

    def require(self, value: Any, option: str) -> None:
        """Refuse a path at which there is nothing, or something else."""
        looks_like_one = value.startswith(("/", "./", "../", "~")) or value.endswith(os.sep)
        if looks_like_one or value.lower().endswith(self.suffixes or ("\0",)):
            Existing().require(value, option)
        if Path(value).is_file() and "file" not in self.kinds:
            raise InputError("is a file", where=f"{option} {value}", expected="a name or a folder")


class AddressOrFile(_OnDisk):
    """The address of a database, or a file to write."""

    gives_path = False
    name = "text"

    def require(self, value: Any, option: str) -> None:
        """Refuse a file that cannot be written."""
        if "://" not in value:
            NewFile().require(value, option)


def require_files(ctx: click.Context) -> None:
    """Look at every file that the options and arguments of a command name.

    Raises
    ------
    InputError
        For the first that cannot be used, whether this run would read it or not.
    """
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if value is None or not isinstance(param.type, _OnDisk):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            param.type.require(each, name_of(param))


@contextlib.contextmanager
def _said_of(option: str) -> Any:
    """Let a refusal begin with the option."""
    try:
        yield
    except InputError as error:
        raise InputError(
            error.what,
            where=f"{option} {error.where}",
            expected=error.expected,
            remedy=error.remedy,
        ) from error


TEXT = Text()
COLUMN = Text(expected="the name of a column")
DRUG, DRUGS = Drug(), Names()
LABEL_MAP = LabelMap(expected="WORD=sensitive and WORD=resistant, such as S=sensitive,R=resistant")
COHORT, FILE, FOLDER = Existing(), ExistingFile(), ExistingFolder()
NEW_FILE, NEW_PNG, NEW_FOLDER = NewFile(), NewFile(".png"), NewFolder()
LABELS = ColumnOrFile()
DEVICE = Text(r"auto|cpu|cuda(:\d{1,4})?|mps(:\d{1,4})?", "auto, cpu, cuda, cuda:N or mps")
STAGES = (PRODUCTION, STAGING, PREVIOUS, ARCHIVED)
STAGE = Text(rf"{'|'.join(STAGES)}|[1-9]\d{{0,9}}", f"{', '.join(STAGES)} or a version number")
WEIGHTS = NameOrPath(
    *("file", "folder"), suffixes=(".ckpt", ".pt", ".pth", ".bin", ".safetensors", ".json")
)
