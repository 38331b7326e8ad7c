"""Types of options that name something on disk: cohorts, tables, folders, files to write.

The text is judged while it is parsed. The files are looked at when the command runs
(`require_files`), so that a help text or an example needs none.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, ClassVar

import click

from scatd.cli.values import Text, name_of
from scatd.errors import InputError
from scatd.keys import SCORE_SUFFIXES
from scatd.ranges import shortened


class OnDisk(Text):
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


class Existing(OnDisk):
    """A file, or a folder that is a cohort (`.zarr`, 10x)."""

    kinds: ClassVar[tuple[str, ...]] = ("file", "folder")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; or an address, which is judged here."""
        from scatd.data.location import location

        super().convert(value, param, ctx)
        with said_of(name_of(param)):
            return location(value)

    def is_of_data(self, value: Any) -> bool:
        """Whether this value belongs to data of the user's: it does."""
        del value
        return True

    def require(self, value: Any, option: str) -> None:
        """Refuse an address, and a path that is absent, of the wrong kind, or not readable."""
        from scatd.data.location import Remote

        if isinstance(value, Remote):
            what, remedy = "... is on another computer", "Copy it to this computer first."
            raise InputError(what, where=f"{option} {value}", remedy=remedy)
        path = Path(value)
        try:
            path.stat()
        except OSError as error:
            from scatd.data.files import require_existing

            with said_of(option), contextlib.suppress(OSError):  # a name that is too long
                require_existing(path)
            what = f"... cannot be read ({error.strerror})"
            raise InputError(what, where=f"{option} {shortened(str(path))}") from error
        kind = "folder" if path.is_dir() else "file"
        if kind not in self.kinds:
            expected = f"the path of a {self.kinds[0]}"
            raise InputError(f"... is a {kind}", where=f"{option} {path}", expected=expected)
        if not os.access(path, os.R_OK):
            raise InputError("... cannot be read (no permission)", where=f"{option} {path}")
        # Every file is read more than once, and a pipe that nobody fills is waited for for ever.
        if not (path.is_dir() or path.is_file()):
            remedy = "Save its content as a file first."
            raise InputError("... is a pipe or a device", where=f"{option} {path}", remedy=remedy)


class ExistingCohort(Existing):
    """A cohort on this computer, or the address of one that can be read in parts."""

    def require(self, value: Any, option: str) -> None:
        """Refuse a path as other paths; an address is looked at when it is opened."""
        from scatd.data.location import Remote

        if not isinstance(value, Remote):
            super().require(value, option)


class ExistingFile(Existing):
    """A file that exists."""

    name = "file"
    kinds = ("file",)


class ExistingFolder(Existing):
    """A folder that exists."""

    name = "folder"
    kinds = ("folder",)


class NewFile(OnDisk):
    """A file to write, with one of some suffixes where any are named."""

    name = "file"

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

        with said_of(option):
            check_writable(Path(value))


class NewFolder(OnDisk):
    """A folder to write, which may have to be made."""

    name = "folder"

    def require(self, value: Any, option: str) -> None:
        """Refuse a file, and a place where no folder can be made."""
        from scatd.data.files import require_short_name

        path = Path(value)
        with said_of(option):
            require_short_name(path)
        whole = path.absolute()
        place = next(each for each in (whole, *whole.parents) if os.access(each, os.F_OK))
        if not place.is_dir():
            what = "... is a file" if place == whole else f"{place} is a file"
            raise InputError(what, where=f"{option} {path}", expected="the path of a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            what = f"the folder {place} cannot be written to"
            raise InputError(what, where=f"{option} {path}", remedy="Choose another folder.")


class NewFileOrFolder(OnDisk):
    """A file with one of some suffixes, or else a folder, to write."""

    name = "path"

    def __init__(self, *suffixes: str) -> None:
        super().__init__()
        self.suffixes = suffixes

    def require(self, value: Any, option: str) -> None:
        """Refuse a place where nothing can be written."""
        path = Path(value)
        # is_dir of pathlib raises for a name that is too long.
        is_file = path.suffix.lower() in self.suffixes and not os.path.isdir(path)  # noqa: PTH112
        (NewFile() if is_file else NewFolder()).require(value, option)


def require_files(ctx: click.Context) -> None:
    """Look at every file that the options and arguments of a command name.

    Raises
    ------
    InputError
        For the first that cannot be used, whether this run would read it or not.
    """
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if value is None or not isinstance(param.type, OnDisk):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            param.type.require(each, name_of(param))


@contextlib.contextmanager
def said_of(option: str) -> Any:
    """Let a refusal begin with the option."""
    try:
        yield
    except InputError as error:
        raise error.changed(where=f"{option} {error.where}") from error


COHORT, FILE, FOLDER = ExistingCohort(), ExistingFile(), ExistingFolder()
EXISTING = Existing()
BUNDLE_OUT = NewFileOrFolder(".zip")
SCORES = NewFileOrFolder(*SCORE_SUFFIXES)
NEW_FILE, NEW_PNG, NEW_FOLDER = NewFile(), NewFile(".png"), NewFolder()
