"""Engines to test: in this process, in processes, and on a cluster."""

from __future__ import annotations

import importlib.util

import pytest

from scatd.scheduling import open_engine

HAS_DASK = importlib.util.find_spec("distributed") is not None


@pytest.fixture(scope="module")
def here():
    with open_engine(None) as engine:
        yield engine


@pytest.fixture(scope="module")
def processes():
    with open_engine(None, processes=2) as engine:
        yield engine


@pytest.fixture(scope="module")
def cluster():
    if not HAS_DASK:
        pytest.skip("the extra 'distributed' is not installed")
    with open_engine("local:2") as engine:
        engine._client.wait_for_workers(2)  # an engine begins with the first of them
        yield engine


@pytest.fixture(params=["here", "processes", "cluster"])
def engine(request):
    """Each kind of engine."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["processes", "cluster"])
def apart(request):
    """Each kind of engine that computes outside this process."""
    return request.getfixturevalue(request.param)
