"""The page tells people who do not program what is wrong and what to do, in texts of its own."""

from __future__ import annotations

import ast
import pickle
import re
import string
import time

import pytest

from scatd.data.files import reading
from scatd.errors import FaultKind, Faults, InputError, of_kind
from scatd.notes import Advised, without_advice
from scatd.serving import page_words
from scatd.serving.formats import kind_of_body
from scatd.serving.refusals import Fault, Refusal, Trouble, unusable
from tests.house import PACKAGE

COMMANDS = re.compile(r"--|`|scatd |\bpip\b")
NAME = "my tumour.h5ad"
KINDS = [*FaultKind, *Trouble]


def refused(kind, **facts):
    return Refusal(422, "for programs: see scatd --help", faults=[Fault(kind, facts)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_text_of_its_own_without_commands(kind):
    assert kind in page_words.WORDS
    facts = dict.fromkeys(("limit", "seconds", "number", "most"), "17")
    text = page_words.told(refused(kind, found="12 values are below zero", **facts), NAME)
    assert not COMMANDS.search(text)
    assert "for programs" not in text
    words = page_words.WORDS[kind]
    assert len(text.splitlines()) == 3 if words.has_details else 2
    assert all(line.endswith(".") for line in text.splitlines())
    fields = {name for _, name, _, _ in string.Formatter().parse(words.what + words.do) if name}
    assert ("17" in text) == bool(fields & set(facts))
    assert (NAME in text) == ("file" in fields)


def test_a_kind_that_nobody_described_gets_the_general_text():
    text = page_words.told(refused("of tomorrow", found="x --layer y"), NAME)
    assert text.startswith("my tumour.h5ad could not be scored.")
    assert not COMMANDS.search(text)


@pytest.mark.parametrize(
    "found", ["say --scale counts", "use `x`", "scatd embed makes it", 'no obsm["X"]', "call f(x)"]
)
def test_words_of_a_programmer_are_no_details(found):
    text = page_words.told(refused(FaultKind.VALUES, found=found), NAME)
    assert found not in text
    assert len(text.splitlines()) == 2
    assert "Details: 3 values are NaN." in page_words.told(
        refused(FaultKind.VALUES, found="3 values are NaN"), NAME
    )


def test_every_refusal_of_the_server_names_its_kind():
    """Each call in the code: no refusal is made without one, and each kind is one of the table."""
    n_calls = 0
    for path in sorted((PACKAGE / "serving").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "refusal":
                continue
            kind = node.args[2]
            assert isinstance(kind, ast.Attribute), f"{path.name}:{node.lineno}"
            family = {"Trouble": Trouble, "FaultKind": FaultKind}[kind.value.id]
            assert family[kind.attr] in page_words.WORDS
            n_calls += 1
    assert n_calls > 25


def test_kinds_travel_with_collected_faults_and_between_processes():
    faults = Faults("a.h5ad")
    faults.add("one", kind=FaultKind.VALUES)
    faults.add("two")
    with pytest.raises(InputError) as caught, of_kind(FaultKind.TABLE):
        faults.raise_if_any()
    error = pickle.loads(pickle.dumps(caught.value))
    assert [one.kind for one in error.each] == [FaultKind.VALUES, FaultKind.TABLE]
    with pytest.raises(InputError) as alone, of_kind(FaultKind.TABLE):
        raise InputError("x", kind=FaultKind.IDS)
    assert [one.kind for one in pickle.loads(pickle.dumps(alone.value)).each] == [FaultKind.IDS]


def test_several_faults_are_told_together(tmp_path):
    faults = Faults()
    faults.add("2 ids are empty", kind=FaultKind.IDS, remedy="Use --ids.")
    faults.add("3 values are NaN", kind=FaultKind.VALUES)
    with pytest.raises(InputError) as caught:
        faults.raise_if_any()
    text = page_words.told(unusable(caught.value, tmp_path), NAME)
    assert "Details: 2 ids are empty." in text
    assert "Details: 3 values are NaN." in text
    assert not COMMANDS.search(text)


def test_a_note_without_its_advice():
    note = Advised("3 cells are odd.", "To remove them: --drop.")
    assert note == "3 cells are odd. To remove them: --drop."
    again = pickle.loads(pickle.dumps(note))
    assert again == note
    assert without_advice(again) == "3 cells are odd."
    assert without_advice("plain") == "plain"


# What uploads meet -------------------------------------------------------------------------------


def said(client, body, name=NAME, drug="docetaxel"):
    """The text of the page for a file, or the state of a job that has none."""
    answer = client.post(f"/jobs/{drug}", params={"name": name}, content=body)
    if answer.status_code != 202:
        assert list(answer.json()) == ["error"]
        return answer.json()["error"]
    for _ in range(3000):
        about = client.get(f"/jobs/{answer.json()['job']}").json()
        if about["state"] in ("done", "failed"):
            client.delete(f"/jobs/{about['job']}")
            return about["error"] or about["state"]
        time.sleep(0.02)
    raise AssertionError(about)


UPLOADS = {
    "an empty body": (b"", "my tumour.h5ad is empty."),
    "words": (b"hello", "of a kind that cannot be read here"),
    "a web page": (b"<html lang='en'> <p>,", "Details: is a web page, not text."),
    "half a header": (b"\x89HDF\r\n\x1a\n", "cannot be read. It may be damaged"),
    "half a parquet": (b"PAR1....PAR1", "cannot be read. It may be damaged"),
    "half an array": (b"\x93NUMPY\x01\x00", "cannot be read. It may be damaged"),
    "JSON that is none": (b'{"features": [', "The JSON in my tumour.h5ad"),
    "unknown keys": (b'{"features": [[1]], "x": 1}', "The JSON in my tumour.h5ad"),
    "a wrong width": (b'{"features": [[1, 2]]}', "Details: the table has 2 features a row."),
    "NaN": (b'{"features": [[NaN%s]]}' % (b", 1" * 11), "holds values that no model can read"),
    "a ragged table": (b"cell,a,b\nx,1,2\ny,3\n", "Details: line 3 has 2 fields."),
    "Latin-1": ("zelle,größe,b\nx,1,2\n".encode("latin-1"), "not stored as UTF-8"),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_the_page_says_what_is_wrong_with_an_upload(client, case):
    body, says = UPLOADS[case]
    text = said(client, body)
    assert says in text
    assert not COMMANDS.search(text)
    assert str(client.service.scratch.root) not in text


@pytest.mark.parametrize(
    "name",
    [
        "bd_rhapsody.csv", "comment_comma.csv", "csv2_log.csv", "dict_bomb.parquet",
        "emb_noheader.csv", "excel_dates.csv", "featurecounts.txt", "geneformer_in2.loom",
        "incons_obsm.h5ad", "layer_magic.h5ad", "list_bomb.parquet", "neg.npy", "r_space.txt",
        "seuratdisk_raw.h5ad", "trailtab_rows.tsv", "utf16.tsv", "velocity_layers.h5ad",
    ],
)  # fmt: skip
def test_odd_files_are_told_without_commands(client, cases, name):
    text = said(client, (cases / name).read_bytes(), name)
    assert text != "done"
    assert not COMMANDS.search(text)
    assert "upload" not in text


def test_requests_of_the_page_are_refused_in_its_words(client, serve):
    unknown = client.post("/jobs/nonsense", content=b"x").json()["error"]
    assert "no model in production any more" in unknown
    assert "not on the server any more" in client.get("/jobs/x").json()["error"]
    twice = client.post("/jobs/docetaxel,Taxotere", content=b"x")
    assert twice.status_code == 400
    assert "Choose one model for each drug" in twice.json()["error"]
    elsewhere = client.post("/jobs/docetaxel", headers={"Origin": "http://evil"}).json()["error"]
    assert "did not come from the page" in elsewhere
    locked = serve(token="secret").get("/library")
    assert locked.status_code == 401
    assert locked.json()["error"].startswith("The access token is missing or wrong.")
    for text in (unknown, twice.text, elsewhere, locked.text):
        assert not COMMANDS.search(text)


# Kinds of files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"a,b\n1,2\n", ".csv"), (b"a;b\n1;2\n", ".csv"), (b"a\tb, c\n", ".tsv"),
        ("\ufeffa\tb\n".encode("utf-16-le"), ".tsv"), (b"\xef\xbb\xbfa,b\n", ".csv"),
        (b'"a" "b"\n', ".csv"), (b' {"features": []}', ".json"), (b"\x93NUMPY", ".npy"),
    ],
)  # fmt: skip
def test_text_is_known_by_its_first_line(tmp_path, start, kind):
    (tmp_path / "upload").write_bytes(start)
    assert kind_of_body(tmp_path / "upload") == kind


@pytest.mark.parametrize("start", [b"word\n", b"\x1f\x8b\x08,", b"PK\x03\x04 ,", bytes(20)])
def test_what_is_no_table_is_no_text(tmp_path, start):
    (tmp_path / "upload").write_bytes(start)
    with pytest.raises(Refusal) as caught:
        kind_of_body(tmp_path / "upload")
    assert caught.value.status == 415


def test_a_damaged_file_has_its_kind(tmp_path):
    with pytest.raises(InputError) as caught, reading(tmp_path, "a file"):
        raise ValueError("bad")
    assert caught.value.kind is FaultKind.DAMAGED
