"""No request, valid or invalid by the OpenAPI document, makes the server fail."""

from __future__ import annotations

import pytest
import requests
import schemathesis
import schemathesis.specs.openapi.schemas  # else on first use, beside threads of other tests: below
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

# pytest rewrites what a plugin imports, and CPython 3.11 can fail with a SystemError where two
# threads make syntax trees at a time. At collection there is one.

OPERATIONS = [
    ("GET", "/drugs"),
    ("GET", "/models/{drug}"),
    ("POST", "/predict/{drug}"),
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/library"),
    ("POST", "/jobs/{drugs}"),
    ("GET", "/jobs/{job_id}"),
    ("DELETE", "/jobs/{job_id}"),
    ("GET", "/jobs/{job_id}/groups"),
    ("GET", "/jobs/{job_id}/{name}"),
]
BASE = "http://127.0.0.1:8000"
BUSY = 503


@pytest.fixture(scope="module")
def document(shared_server):
    return schemathesis.openapi.from_dict(shared_server.get("/openapi.json").json())


def test_every_operation_is_tried(document):
    found = {(item.ok().method.upper(), item.ok().path) for item in document.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
def test_no_request_is_answered_by_a_fault(document, shared_server, method, path, mode):
    operation = document[path][method]

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode), drug=st.sampled_from(["", "docetaxel"])
    )
    def try_it(case, drug):
        for name in {"drug", "drugs"} & set(case.path_parameters):
            case.path_parameters[name] = drug or case.path_parameters[name]
        request = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        answer = shared_server.request(
            request.method, request.url, headers=request.headers, content=request.body
        )
        assert answer.status_code < 500 or answer.status_code == BUSY, answer.text
        if answer.status_code >= 400:
            assert list(answer.json()) == ["error"]

    try_it()
