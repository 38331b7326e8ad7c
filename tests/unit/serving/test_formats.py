"""The format of an answer is the one that the client asks for."""

from __future__ import annotations

import pytest

from scatd.serving.formats import kind_of_answer
from scatd.serving.refusals import Refusal


@pytest.mark.parametrize(
    ("asked", "accept", "kind"),
    [
        (None, "", ".json"),
        (None, "*/*", ".json"),
        (None, "text/csv", ".csv"),
        (None, "TEXT/CSV; charset=utf-8", ".csv"),
        (None, "application/vnd.apache.parquet, */*;q=0.1", ".parquet"),
        (None, "text/csv;q=0.2, application/x-hdf5;q=0.9", ".h5ad"),
        (None, "text/html, application/xhtml+xml, */*;q=0.8", ".json"),
        ("csv", "application/json", ".csv"),
        ("h5ad", "", ".h5ad"),
    ],
)
def test_kinds(asked, accept, kind):
    assert kind_of_answer(asked, accept) == kind


@pytest.mark.parametrize(
    ("asked", "accept"),
    [("xml", ""), ("", ""), (None, "image/png"), (None, "text/csv;q=0"), (None, "text/csv;q=x")],
)
def test_no_such_kind(asked, accept):
    with pytest.raises(Refusal) as caught:
        kind_of_answer(asked, accept)
    assert caught.value.status == 406
