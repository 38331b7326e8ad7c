"""Messages as prose: numbers agree with their nouns, and a command to copy stands apart."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

import pytest

from scatd.wording import all_of, any_of, counted, plural, printable, some_of
from tests.house import PACKAGE


@functools.cache
def trees() -> dict[str, ast.Module]:
    """The code of each file, by its path: parsed by the first test, and not by who collects."""
    return {
        path.relative_to(PACKAGE.parent).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for folder in (PACKAGE, PACKAGE.parent / "chaos")
        for path in sorted(folder.rglob("*.py"))
    }


# Words that end in s after a name, not after a number: `{file} has ...`, `{option} needs ...`.
# A new verb is written here; a noun never is.
_VERBS = (
    "alone as beats begins belongs claims cuts differs does ends fails falls gives has holds is "
    "its keeps knows lacks leaves less lies loses means names needs occurs predicts promises ranks "
    "reaches reads refuses repeats runs says sends settles stands starts takes this wants was"
)
VERBS = frozenset(_VERBS.split())
# Words after which a noun is no longer what the number counts: `{n} of the cells`.
_JOINING = "about among and are at before beside by for from in of on or that to with"
BETWEEN = VERBS | set(_JOINING.split())

# Values that are no numbers, by file, value and the words after it.
ALLOWED = {
    ("scatd/data/labels.py", "asked", "features have no"): "a family: sf features",
    ("scatd/explanation/perturbation.py", "name", "cells"): "a response: resistant cells",
    ("scatd/workflows/tcga/output.py", "ref.drug", "patients"): "a drug: docetaxel patients",
}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (counted(0, "drug"), "0 drugs"),
        (counted(1, "drug"), "1 drug"),
        (counted(2, "drug"), "2 drugs"),
        (counted(1200, "cell"), "1,200 cells"),
        (counted(1.0, "second"), "1 second"),
        (counted(0.5, "second"), "0.5 seconds"),
        (counted(2, "labelled cell"), "2 labelled cells"),
        (counted(1, "cell", "has"), "1 cell has"),
        (counted(3, "cell", "lies"), "3 cells lie"),
        (counted(3, "cell", "expresses"), "3 cells express"),
        (counted(3, "cell", "reaches"), "3 cells reach"),
        (counted(1, "cell", "is", of=5), "1 of 5 cells is"),
        (counted(1, "cell", "was", of=1), "1 of 1 cell was"),
        (counted(0, "cell", "does", of=1), "0 of 1 cell do"),
    ],
)
def test_a_number_its_noun_and_its_verb_agree(said, expected):
    assert said == expected


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("gene", "genes"),
        ("cohort", "cohorts"),
        ("class", "classes"),
        ("entry", "entries"),
        ("probability", "probabilities"),
        ("key", "keys"),
        ("index", "indices"),
        ("sparse matrix", "sparse matrices"),
        ("batch", "batches"),
    ],
)
def test_plurals(one, many):
    assert plural(one) == many


def test_lists_in_words():
    assert [any_of("a"), any_of("ab"), any_of("abc")] == ["a", "a or b", "a, b or c"]
    assert [all_of("a"), all_of("ab"), all_of("abc")] == ["a", "a and b", "a, b and c"]
    assert [some_of("abc", 3), some_of("abcde", 3)] == ["a, b, c", "a, b, c and 2 more"]
    assert some_of([], 3) == ""


def test_the_text_of_a_stranger_cannot_steer_a_terminal():
    assert printable("a\x1b[31m\nb\u202ec", 10) == "a[31mbc"
    assert printable(12345, 3) == "123"


def _nouns() -> set[str]:
    """Plurals of all nouns that are counted anywhere."""
    return {
        plural(node.args[1].value.rpartition(" ")[2])
        for tree in trees().values()
        for node in ast.walk(tree)
        if _is_counted(node) and isinstance(node.args[1], ast.Constant)
    }


def _is_counted(node: ast.AST) -> bool:
    is_call = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "counted"
    return is_call and len(node.args) > 1


def _is_plural(words: list[str], nouns: set[str]) -> bool:
    """True where the first words after a number are a noun in the plural."""
    first = words[0]
    if first in BETWEEN:
        return False
    if first in nouns or (first.endswith("s") and not first.endswith("ss")):
        return True
    for word in words[1:]:
        if word in BETWEEN:
            return False
        if word in nouns:
            return True
    return False


def _is_right(value: ast.FormattedValue) -> bool:
    """True for what is counted, for a constant, which is over 1, and for a share in per cent."""
    name = ast.unparse(value.value).rpartition(".")[2]
    spec = ast.unparse(value.format_spec) if value.format_spec else ""
    is_constant = re.fullmatch(r"_?[A-Z][A-Z_]*( \+ \d+)?", name) is not None
    return _is_counted(value.value) or is_constant or "%" in spec


def _uncounted(tree: ast.AST, nouns: set[str]) -> Iterator[tuple[int, str, str]]:
    """Line, value and words of each place where a number stands before a plural."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                    continue
                found = re.match(r"((?: [a-z][a-z-]+){1,3})", text.value)
                if found and not _is_right(value) and _is_plural(found[1].split(), nouns):
                    yield value.lineno, ast.unparse(value.value), found[1].strip()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in re.finditer(r"%[ds]((?: [a-z][a-z-]+){1,3})", node.value):
                if _is_plural(found[1].split(), nouns):
                    yield node.lineno, "%", found[1].strip()
            for found in re.finditer(r"\w+\(s\)", node.value):
                yield node.lineno, "", found[0]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('f"{n} drugs"', True),
        ('f"{len(x):,} labelled cells"', True),
        ('log("%d of them, %d cells done", a, b)', True),
        ('"1 drug(s)"', True),
        ('f"{path} has cells"', False),
        ('f"{share:.0%} of the cells"', False),
        ('f"{MOST} cells"', False),
        ("f\"{counted(n, 'cell')} of the cells\"", False),
    ],
)
def test_an_uncounted_plural_is_found(text, is_found):
    assert bool(list(_uncounted(ast.parse(text), {"cells", "drugs"}))) is is_found


def test_every_number_agrees_with_its_noun():
    nouns = _nouns()
    assert {"cells", "drugs", "genes"} <= nouns
    found = {
        (file, value, words): line
        for file, tree in trees().items()
        for line, value, words in _uncounted(tree, nouns)
    }
    new = {place: line for place, line in found.items() if place not in ALLOWED}
    assert new == {}, "write counted(number, 'noun') of scatd.wording"
    assert set(ALLOWED) <= set(found), "an exception that nothing needs"


# Commands in messages --------------------------------------------------------------------------

PROGRAMS = "scatd|pip|mlflow|mkdir|mv|createdb|iconv|dask"


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each string of a file but docstrings, with `{}` for values."""
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    inside |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in inside:
            yield node.lineno, str(node.value)


def _glued(text: str) -> bool:
    """True where more stands in the line behind a command that the reader is to copy."""
    found = re.search(rf": (?:{PROGRAMS}) (?!install \.$)(.*)", text)
    return found is not None and re.search(r"[.,;](\s|$)|\(", found[1]) is not None


@pytest.mark.parametrize(
    ("text", "is_glued"),
    [
        ("Get them: scatd download panel", False),
        ("Install it: pip install .", False),
        ("Get them: scatd download panel\nOr wait.", False),
        ("Get them: scatd download panel. Or name a file.", True),
        ("Get them: scatd download panel; or name a file", True),
        ("Get them: scatd download panel (free)", True),
        ("Get them: scatd download panel.", True),
    ],
)
def test_text_that_is_glued_to_a_command_is_found(text, is_glued):
    assert _glued(text) is is_glued


def test_a_command_to_copy_ends_its_line():
    found = [
        f"{file} line {line}: {text}"
        for file, tree in trees().items()
        for line, text in _texts(tree)
        if _glued(text)
    ]
    assert found == []


# Faults whose subject is the place ---------------------------------------------------------------

MARK = "... "
_ERRORS = ("InputError", "ScatdError", "StoreError", "TrainingError", "DownloadError", "HubError")
MAKERS = (*_ERRORS, "DiskError", "faults.add", "no_embedding")
_ONLY_HERE = (
    "abstains announces can cannot chooses contradicts deletes draws follows lacks needs would"
)
OF_PLACES = (VERBS - {"alone", "as", "its", "less", "this"}) | set(_ONLY_HERE.split())


def _beginnings(node: ast.expr, values: dict[str, list[ast.expr]]) -> Iterator[tuple[int, str]]:
    """Line and text of each string that may begin the value of an expression."""
    match node:
        case ast.Constant(value=str(text)):
            yield node.lineno, text
        case ast.JoinedStr(values=[ast.Constant(value=text), *_]):
            yield node.lineno, str(text)
        case ast.JoinedStr(values=[ast.FormattedValue(value=first), *_]):
            yield from _beginnings(first, values)
        case ast.BinOp(left=left):
            yield from _beginnings(left, values)
        case ast.IfExp(body=one, orelse=other):
            yield from _beginnings(one, values)
            yield from _beginnings(other, values)
        case ast.Name(id=name):
            # A name is looked up once, as it may be a part of its own new value.
            for value in values.pop(name, []):
                yield from _beginnings(value, values)


def _assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Values that each name of a function gets."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(value)
    return found


def _faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and beginning of each text that an error of scatd or a list of faults is made of."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            is_call = isinstance(node, ast.Call) and node.args
            if is_call and ast.unparse(node.func).endswith(MAKERS):
                yield from _beginnings(node.args[0], _assigned(function))


def _is_marked_wrongly(text: str) -> bool:
    """True where a verb begins a fault without the mark, or something else stands behind it."""
    first = text.removeprefix(MARK).partition(" ")[0]
    return " " in text and (first in OF_PLACES) is not text.startswith(MARK)


@pytest.mark.parametrize(
    ("code", "is_wrong"),
    [
        ('raise InputError("is empty", where=path)', True),
        ('raise InputError("... is empty", where=path)', False),
        ('raise InputError("there is no header", where=path)', False),
        ('raise InputError("... there is no header", where=path)', True),
        ('what = f"holds {n}"\n    raise InputError(what, where=path)', True),
        ('what, why = f"... holds {n}", ""\n    raise InputError(what, where=path)', False),
        ('raise InputError("a" if b else "has c", where=path)', True),
        ('raise ValueError("is empty")', False),
    ],
)
def test_a_fault_about_its_place_has_the_mark(code, is_wrong):
    tree = ast.parse(f"def f(path, n, b):\n    {code}")
    assert any(_is_marked_wrongly(text) for _, text in _faults(tree)) is is_wrong


def test_every_fault_about_its_place_has_the_mark():
    found = [
        f"{file} line {line}: {text}"
        for file, tree in trees().items()
        for line, text in _faults(tree)
        if _is_marked_wrongly(text)
    ]
    assert found == []


def test_no_message_shows_a_name_as_python_does():
    found = [
        f"{file} line {node.lineno}"
        for file, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in {"info", "warning", "error", "echo"}
        for part in node.args[:1]
        if isinstance(part, ast.Constant) and "%r" in str(part.value)
    ]
    assert found == []
