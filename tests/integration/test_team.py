"""scatd on a store that a team shares: PostgreSQL, S3 and `mlflow server`."""

from __future__ import annotations

import pytest

from scatd import tracking
from tests.team import (  # noqa: F401
    auth_server,
    bucket,
    direct_server,
    postgres,
    proxied_server,
)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("proxied_server", "mlflow-artifacts:/"),
        ("direct_server", "s3://scatd/direct/"),
        ("auth_server", "mlflow-artifacts:/"),
    ],
)
def test_a_run_and_its_files_come_to_the_store(kind, place, request, store, monkeypatch):
    server = request.getfixturevalue(kind)
    server.use(monkeypatch)
    with tracking.parent_run("transfer", name="one", tags={}, settings={}) as run:
        run.log_metrics({"auroc": 0.5})
        run.client.log_text(run.run_id, "text", "folder/file.txt")
    stored = tracking.connect().get_run(run.run_id)
    assert (stored.info.status, stored.data.metrics) == ("FINISHED", {"auroc": 0.5})
    assert stored.info.artifact_uri.startswith(place)
    assert run.fetch("folder/file.txt").read_text() == "text"
    files = request.getfixturevalue("bucket").files(kind.removesuffix("_server"))
    assert [name for name in files if run.run_id in name and name.endswith("folder/file.txt")]
