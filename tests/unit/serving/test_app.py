"""The interface gives the scores of the command in every format, and one message an error."""

from __future__ import annotations

import io
import json
import logging
import time

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from scatd import registry
from scatd.cli import main

FORM = "multipart/form-data; boundary=x"


def table_of(answer, kind, tmp_path):
    """The scores of an answer, and the version that it says gave them."""
    if kind == "json":
        said = answer.json()
        return pd.DataFrame(said["cells"]), said["model"]["version"]
    if kind == "csv":
        return pd.read_csv(io.BytesIO(answer.content)), int(answer.headers["x-scatd-version"])
    if kind == "parquet":
        table = pq.read_table(io.BytesIO(answer.content))
        return table.to_pandas(), json.loads(table.schema.metadata[b"scatd"])["version"]
    (tmp_path / "answer.h5ad").write_bytes(answer.content)
    cohort = ad.read_h5ad(tmp_path / "answer.h5ad")
    columns = {"scatd_docetaxel_prob_resistant": "prob_resistant"}
    frame = cohort.obs.rename(columns=columns).rename_axis("barcode").reset_index()
    return frame, int(cohort.uns["scatd"]["docetaxel"]["version"])


@pytest.mark.parametrize("kind", ["json", "csv", "parquet", "h5ad"])
@pytest.mark.parametrize("body", ["h5ad", "parquet", "npy", "json"])
def test_answers_are_those_of_the_command(client, cells, tmp_path, body, kind):
    file = cells / f"cells.{'parquet' if body == 'json' else body}"
    words = ["predict", "--drug", "docetaxel", str(file), "-o", str(tmp_path / "scored.csv")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    expected = pd.read_csv(tmp_path / "scored.csv")
    answer = client.post(
        f"/predict/Docetaxel?format={kind}", content=(cells / f"cells.{body}").read_bytes()
    )
    assert answer.status_code == 200, answer.text
    table, version = table_of(answer, kind, tmp_path)
    assert list(table["barcode"].astype(str)) == list(expected["barcode"].astype(str))
    np.testing.assert_allclose(
        table["prob_resistant"], expected["prob_resistant"], rtol=0, atol=1e-12
    )
    assert version == 1
    assert answer.headers["x-scatd-version"] == "1"
    assert answer.headers["x-scatd-model"] == "scatd-sf-docetaxel"


def test_a_csv_is_byte_for_byte_that_of_the_command(client, cells, tmp_path):
    output = tmp_path / "scored.csv"
    CliRunner().invoke(
        main, ["predict", "--drug", "docetaxel", str(cells / "cells.h5ad"), "-o", str(output)]
    )
    content = (cells / "cells.h5ad").read_bytes()
    answer = client.post("/predict/docetaxel", content=content, headers={"Accept": "text/csv"})
    assert answer.content == output.read_bytes()


def test_a_form_is_read_too(client, cells):
    with (cells / "cells.h5ad").open("rb") as file:
        answer = client.post("/predict/docetaxel", files={"file": ("my cells.h5ad", file)})
    assert len(answer.json()["cells"]) == 30


def test_what_there_is(client):
    (drug,) = client.get("/drugs").json()["drugs"]
    assert (drug["drug"], drug["version"], drug["stage"]) == ("docetaxel", 1, "production")
    assert (drug["candidate"], drug["label_kind"]) == ("network", "unknown")
    (entry,) = client.get("/library").json()["models"]
    assert (entry["drug"], entry["family"], entry["version"]) == ("docetaxel", "sf", 1)
    assert len(entry["since"]) == len("2026-11-29")
    assert entry["evidence"] == [
        "How well it predicts samples that it did not learn from was not stored.",
        "Not assessed on single cells.",
    ]
    about = client.get("/models/Taxotere").json()
    assert about["model"]["name"] == "scatd-sf-docetaxel"
    assert about["card"]["sizes"]["n_features"] == 12
    health = client.get("/healthz").json()
    assert (health["status"], health["models"]) == ("ok", 1)


def test_a_promotion_is_followed_and_a_rollback(serve, cells):
    client = serve()
    content = (cells / "cells.npy").read_bytes()

    def ask():
        said = client.post("/predict/docetaxel", content=content).json()
        return said["model"]["version"], [cell["prob_resistant"] for cell in said["cells"]]

    def ask_until(version):
        for _ in range(200):
            if (found := ask())[0] == version:
                return found[1]
            time.sleep(0.02)
        raise AssertionError("the server did not follow")

    first = ask_until(1)
    registry.promote("scatd-sf-docetaxel", 2, reason="", evidence_run_id="")
    second = ask_until(2)
    assert np.abs(np.subtract(first, second)).max() > 1e-3
    registry.rollback("scatd-sf-docetaxel", reason="")
    assert ask_until(1) == first


def test_a_version_that_cannot_be_loaded_replaces_nothing(serve, cells, monkeypatch):
    client = serve()
    content = (cells / "cells.npy").read_bytes()
    assert client.post("/predict/docetaxel", content=content).status_code == 200

    def broken(ref):
        raise OSError("gone")

    monkeypatch.setattr(registry, "read", broken)
    registry.promote("scatd-sf-docetaxel", 2, reason="", evidence_run_id="")
    client.service.refresh()
    answer = client.post("/predict/docetaxel", content=content)
    assert answer.headers["x-scatd-version"] == "1"


FAULTS = {
    "no such drug": ("/predict/docetaxol", b"x", 404, "Did you mean docetaxel"),
    "no such family": ("/predict/docetaxel?family=gf", b"x", 404, "family 'gf'"),
    "a path for a drug": ("/predict/..%2f..%2fetc%2fpasswd", b"x", 404, ""),
    "no such format": ("/predict/docetaxel?format=xml", b"x", 406, "json, csv, parquet, h5ad"),
    "an empty body": ("/predict/docetaxel", b"", 400, "empty"),
    "words": ("/predict/docetaxel", b"hello", 415, "no known kind"),
    "half a header": ("/predict/docetaxel", b"\x89HDF\r\n\x1a\n", 422, "cannot be read"),
    "half a parquet": ("/predict/docetaxel", b"PAR1....PAR1", 422, "cannot be read"),
    "half an array": ("/predict/docetaxel", b"\x93NUMPY\x01\x00", 422, "cannot be read"),
    "JSON that is none": ("/predict/docetaxel", b'{"features": [', 422, "no table"),
    "deep JSON": ("/predict/docetaxel", b'{"features": ' + b"[" * 100_000, 422, "no table"),
    "ragged rows": ("/predict/docetaxel", b'{"features": [[1], [1, 2]]}', 422, "no table"),
    "huge numbers": (
        "/predict/docetaxel", b'{"features": [[1' + b"0" * 400 + b"]]}", 422, "no table",
    ),
    "a wrong width": ("/predict/docetaxel", b'{"features": [[1, 2]]}', 422, "2 features a row"),
    "NaN": ("/predict/docetaxel", b'{"features": [[NaN%s]]}' % (b", 1" * 11), 422, "1 NaN"),
    "unknown keys": ("/predict/docetaxel", b'{"features": [[1]], "x": 1}', 422, "'x'"),
    "a name twice": (
        "/predict/docetaxel",
        b'{"features": [[1], [1]], "barcodes": ["a", "a"]}',
        422,
        "more than once",
    ),
    "no such place": ("/nowhere", b"", 404, "/docs"),
    "another method": ("/drugs", b"", 405, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_one_message(client, case):
    path, body, status, says = FAULTS[case]
    answer = client.post(path, content=body)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert says in answer.json()["error"]
    assert str(client.service.scratch.root) not in answer.text
    assert list(client.service.scratch.root.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../b.h5ad", "..%2f/x"])
def test_a_file_name_that_is_a_path_is_refused(client, name):
    body = (
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n--x--'
    )
    answer = client.post(
        "/predict/docetaxel", content=body.encode(), headers={"Content-Type": FORM}
    )
    assert answer.status_code == 400
    assert "holds a path" in answer.json()["error"]


@pytest.mark.parametrize("body", ["--x\r\nnonsense", "--x--", "", "--x\r\n\r\n\r\n--x--"])
def test_a_form_that_is_none_is_refused(client, body):
    answer = client.post(
        "/predict/docetaxel", content=body.encode(), headers={"Content-Type": FORM}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_damaged_files_are_refused_wherever_the_damage_is(client, cells):
    """A file with changed bytes is refused or read, and never makes the server fail."""
    rng = np.random.default_rng(0)
    for kind in ("h5ad", "parquet", "npy"):
        whole = (cells / f"cells.{kind}").read_bytes()
        for _ in range(40):
            body = bytearray(whole)
            for place in rng.integers(8, len(body), size=rng.integers(1, 20)):
                body[place] = rng.integers(256)
            answer = client.post("/predict/docetaxel", content=bytes(body))
            assert answer.status_code in (200, 413, 415, 422), answer.text
        cut = whole[: len(whole) // 2]
        assert client.post("/predict/docetaxel", content=cut).status_code == 422


def test_simulated_and_real_do_not_mix_unless_told(serve, cells, tmp_path):
    cohort = ad.read_h5ad(cells / "cells.h5ad")
    cohort.uns["simulated"] = True
    cohort.write_h5ad(tmp_path / "made_up.h5ad")
    content = (tmp_path / "made_up.h5ad").read_bytes()
    refused = serve().post("/predict/docetaxel", content=content)
    assert refused.status_code == 422
    assert "cannot be mixed" in refused.json()["error"]
    taken = serve(allow_simulated=True).post("/predict/docetaxel", content=content)
    assert taken.status_code == 200


# Limits --------------------------------------------------------------------------------------


def test_a_body_over_the_limit_is_refused_as_announced_and_as_counted(serve):
    client = serve(max_upload_mb=1)
    assert client.post("/predict/docetaxel", content=b"0" * 1_000_001).status_code == 413
    parts = (b"0" * 100_000 for _ in range(11))
    counted = client.post("/predict/docetaxel", content=parts)
    assert counted.status_code == 413
    assert "1 MB" in counted.json()["error"]
    assert list(client.service.scratch.root.iterdir()) == []


def test_with_no_place_left_a_client_is_told_to_come_back(serve, cells):
    client = serve(workers=1, waiting=0)
    content = (cells / "cells.npy").read_bytes()
    with client.service.place():
        busy = client.post("/predict/docetaxel", content=content)
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
    assert client.post("/predict/docetaxel", content=content).status_code == 200


def test_what_takes_too_long_is_given_up_and_keeps_its_place_until_it_ends(
    serve, cells, monkeypatch
):
    import threading

    from scatd.serving import service

    goes_on = threading.Event()

    def slow(request, ref, scorer, progress):
        goes_on.wait(10)
        progress(1)  # raises: nobody waits
        raise AssertionError

    monkeypatch.setattr(service, "score_file", slow)
    # The start of an examiner alone may take longer.
    monkeypatch.setattr(service.Service, "examine", lambda self, path, kind: path)
    client = serve(workers=1, waiting=0, time_limit=0.2)
    content = (cells / "cells.npy").read_bytes()
    answer = client.post("/predict/docetaxel", content=content)
    assert answer.status_code == 504
    assert "0.2 seconds" in answer.json()["error"]
    assert client.post("/predict/docetaxel", content=content).status_code == 503
    goes_on.set()
    for _ in range(100):
        if not list(client.service.scratch.root.iterdir()):
            break
        time.sleep(0.02)
    assert client.service._places == 1
    assert list(client.service.scratch.root.iterdir()) == []


# Who may ask -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic secret", "Bearer sécret"]
)
def test_a_wrong_token_is_refused(serve, header):
    client = serve(token="secret")
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for path in ("/drugs", "/metrics", "/models/docetaxel", "/jobs/x", "/nowhere"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json()["error"]


def test_the_right_token_is_taken_and_the_page_tells_nothing_without(serve):
    client = serve(token="secret")
    assert client.get("/drugs", headers={"Authorization": "Bearer secret"}).status_code == 200
    for path in ("/", "/healthz", "/docs", "/openapi.json", "/static/page.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "scatd-sf" not in answer.text


def test_other_sites_cannot_use_a_server_without_a_token(client):
    assert client.get("/drugs", headers={"Host": "evil.example"}).status_code == 400
    assert client.post("/jobs/docetaxel", headers={"Origin": "http://evil"}).status_code == 403
    own = {"Origin": "http://127.0.0.1:8000"}
    assert client.post("/predict/docetaxel", headers=own).status_code == 400  # an empty body


# What is told -----------------------------------------------------------------------------------


def test_logs_are_json_and_know_no_patient(client, cells, caplog):
    caplog.set_level(logging.INFO, logger="scatd.serving")
    from scatd.serving.logs import JsonLines

    for kind in ("h5ad", "json"):
        content = (cells / f"cells.{kind}").read_bytes()
        client.post("/predict/docetaxel?note=MRS-SMITH", content=content)
        client.post("/predict/MRS-SMITH", content=content)
    bad = b'{"features": [[1], [1]], "barcodes": ["SECRET-1", "SECRET-1"]}'
    client.post("/predict/docetaxel", content=bad)
    client.get("/MRS-SMITH")
    records = [record for record in caplog.records if record.name.startswith("scatd.serving")]
    lines = [json.loads(JsonLines().format(record)) for record in records]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in requests] == [200, 404, 200, 404, 422, 404]
    assert (requests[0]["route"], requests[0]["cells"]) == ("/predict/{drug}", 30)
    assert (requests[0]["version"], requests[5]["route"]) == (1, "none")
    said = json.dumps(lines)
    assert "SECRET" not in said
    assert "SMITH" not in said


def test_metrics_are_counted(serve, cells):
    client = serve()
    content = (cells / "cells.npy").read_bytes()
    for _ in range(3):
        client.post("/predict/docetaxel", content=content)
    client.post("/predict/docetaxel", content=b"x")
    answer = client.get("/metrics")
    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain")
    counted = 'scatd_requests_total{method="POST",route="/predict/{drug}",status="%d"} %.1f'
    assert counted % (200, 3) in lines
    assert counted % (415, 1) in lines
    assert 'scatd_cells_total{drug="docetaxel",family="sf"} 90.0' in lines
    assert 'scatd_model_version{drug="docetaxel",family="sf"} 1.0' in lines
    assert "scatd_requests_in_work 0.0" in lines


def test_a_fault_of_ours_says_so_without_details(client, cells, monkeypatch, caplog):
    monkeypatch.setattr(
        client.service.models, "load", lambda ref: (_ for _ in ()).throw(MemoryError("SECRET"))
    )
    content = (cells / "cells.npy").read_bytes()
    answer = client.post("/predict/docetaxel", content=content)
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.json()["error"]
    assert "SECRET" not in answer.text + caplog.text


def test_the_page_of_the_interface_shows_every_route(client):
    text = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in text
    assert "https://" not in text


def test_the_colours_of_the_page_are_those_of_the_figures(client):
    from scatd.plots.colours import css_variables

    answer = client.get("/static/colours.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.text == css_variables()
