"""A server in this process, with one small model."""

from __future__ import annotations

import contextlib
import json
import os

import anndata as ad
import numpy as np
import pandas as pd
import pytest

N_CELLS, N_FEATURES = 30, 12


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    """Thirty cells as every kind of body, by ending."""
    folder = tmp_path_factory.mktemp("cells")
    X = np.random.default_rng(3).normal(size=(N_CELLS, N_FEATURES)).astype(np.float32)
    names = [f"SECRET-{number}" for number in range(N_CELLS)]
    cohort = ad.AnnData(
        obs=pd.DataFrame({"patient": "MRS-SMITH"}, index=names),
        obsm={"X_scfoundation": X},
        shape=(N_CELLS, 0),
    )
    cohort.write_h5ad(folder / "cells.h5ad")
    frame = pd.DataFrame(X, columns=[f"f{number}" for number in range(N_FEATURES)])
    frame.insert(0, "barcode", names)
    frame.to_parquet(folder / "cells.parquet", index=False)
    np.save(folder / "cells.npy", X)
    (folder / "cells.json").write_text(json.dumps({"features": X.tolist(), "barcodes": names}))
    return folder


@contextlib.contextmanager
def serving(**settings):
    """A client of a new server in the working folder; the client knows the service."""
    from starlette.testclient import TestClient

    from scatd.serving.app import create_app
    from scatd.serving.service import Service
    from scatd.serving.settings import ServeSettings

    service = Service(ServeSettings(**{"refresh": 0.05, "device": "cpu", **settings}))
    client = TestClient(create_app(service), base_url="http://127.0.0.1:8000")
    client.service = service
    with client:
        yield client


@pytest.fixture
def serve(copied_registry):
    """Start a server with these settings, on a registry that the test may change."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serving(**settings))


@pytest.fixture(scope="module")
def shared_server(tiny_registry):
    """A server with the defaults and no token, for tests that change nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny_registry)
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SCATD_TOKEN"))]:
            patch.delenv(name)
        with serving() as client:
            yield client


@pytest.fixture
def client(shared_server, tiny_registry, monkeypatch):
    """That server, from its working folder."""
    monkeypatch.chdir(tiny_registry)
    return shared_server
