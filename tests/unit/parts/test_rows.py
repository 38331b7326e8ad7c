"""`--rows A:B`: which texts are rows, and which rows a cohort has."""

from __future__ import annotations

import pytest

from scatd.errors import InputError
from scatd.parts.rows import read_span, rows_a_part, spans


@pytest.mark.parametrize(
    ("text", "n_obs", "expected"),
    [
        ("0:512", 800, range(512)),
        ("512:800", 800, range(512, 800)),
        ("512:", 800, range(512, 800)),
        (" 0:1024 ", 4096, range(1024)),
    ],
)
def test_rows_of_a_cohort(text, n_obs, expected):
    assert read_span(text).of(n_obs, "cells.h5ad") == expected


@pytest.mark.parametrize(
    "text", ["", "5", "0", ":512", "a:b", "0:5:2", "-512:0", "0,512", "0:512 1"]
)
def test_other_text_is_no_span(text):
    with pytest.raises(InputError, match="Expected A:B"):
        read_span(text)


@pytest.mark.parametrize(
    ("text", "words"), [("100:512", "multiple of 512"), ("512:512", "no rows")]
)
def test_rows_that_do_not_begin_at_a_block_or_are_none(text, words):
    with pytest.raises(InputError, match=words):
        read_span(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0:700", "ends at 700.*a multiple of 512, or 800"),
        ("0:1024", "the cohort has 800 rows"),
        ("1024:", "the cohort has 800 rows"),
    ],
)
def test_rows_that_a_cohort_does_not_have(text, words):
    with pytest.raises(InputError, match=words):
        read_span(text).of(800, "cells.h5ad")


def test_spans_cover_all_rows_once():
    cut = spans(range(512, 5000), 1024)
    assert [row for part in cut for row in part] == list(range(512, 5000))
    assert all(part.start % 512 == 0 for part in cut)


@pytest.mark.parametrize(
    ("n_obs", "n_workers", "expected"), [(800, 2, 512), (100_000, 2, 12_800), (10**7, 2, 65_536)]
)
def test_each_worker_gets_some_parts(n_obs, n_workers, expected):
    assert rows_a_part(n_obs, n_workers, 65_536) == expected
