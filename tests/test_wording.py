"""A number before a noun is written by `counted`, so that they agree: `1 drug`, `2 drugs`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from scatd.wording import counted, plural
from tests.house import PACKAGE

TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
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
    ("data/labels.py", "asked", "features have no"): "a family: sf features",
    ("explanation/perturbation.py", "name", "cells"): "a response: resistant cells",
    ("workflows/tcga/output.py", "ref.drug", "patients"): "a drug: docetaxel patients",
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


def _nouns() -> set[str]:
    """Plurals of all nouns that are counted anywhere."""
    return {
        plural(node.args[1].value.rpartition(" ")[2])
        for tree in TREES.values()
        for node in ast.walk(tree)
        if _is_counted(node) and isinstance(node.args[1], ast.Constant)
    }


def _is_counted(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "counted"


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
        for file, tree in TREES.items()
        for line, value, words in _uncounted(tree, nouns)
    }
    new = {place: line for place, line in found.items() if place not in ALLOWED}
    assert new == {}, "write counted(number, 'noun') of scatd.wording"
    assert set(ALLOWED) <= set(found), "an exception that nothing needs"
