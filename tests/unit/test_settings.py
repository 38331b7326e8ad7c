"""Settings: every number is judged by its range, whether a file or a caller gives it."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import get_args, get_origin

import pytest

from scatd.data.demo import DemoSettings
from scatd.errors import InputError
from scatd.evaluation.gate import Gate, TargetGate
from scatd.explanation.settings import ExplainSettings
from scatd.ranges import hints_of, narrowed, plain_type, range_of
from scatd.serving.settings import ServeSettings
from scatd.settings import from_mapping, load_yaml, to_mapping
from scatd.training.settings import TransferSettings, default_pretrain
from scatd.training.space import Range, Searchable, read_space
from scatd.workflows.check import CheckRequest
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.explain.enrich import EnrichRequest
from scatd.workflows.explain.request import ExplainRequest
from scatd.workflows.models.import_checkpoint import ImportRequest
from scatd.workflows.predict.request import PredictRequest
from scatd.workflows.prepare.request import PrepareRequest
from scatd.workflows.pretrain.request import DistillRequest, PretrainRequest
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.transfer.request import ControlsRequest, FewShotRequest, TransferRequest
from scatd.workflows.tune.request import TuneRequest

HERE = Path("x")
PRETRAIN = default_pretrain("sf")
GOOD = [
    PRETRAIN, TransferSettings(), ExplainSettings(), Gate(), TargetGate(), Searchable(),
    Range(0.1, 1.0), ServeSettings(), DemoSettings(), TransferRequest("D"), TuneRequest(),
    FewShotRequest(), ControlsRequest(),
    PredictRequest("D", HERE, HERE), EvaluateRequest("D", HERE), ExplainRequest("D"),
    EnrichRequest(HERE, HERE), ScreenRequest(HERE), PretrainRequest(HERE, "sf", PRETRAIN),
    DistillRequest(HERE, PRETRAIN), PrepareRequest(HERE, HERE), ImportRequest(HERE, "sf"),
    CheckRequest(HERE),
]  # fmt: skip
FIELDS = [
    (each, name)
    for each in GOOD
    for name, hint in hints_of(type(each)).items()
    if plain_type(hint) in (int, float)
]


def ids(value):
    return value if isinstance(value, str) else type(value).__name__


def beyond(hint):
    """Numbers that a field must not take."""
    allowed = range_of(narrowed(hint))
    if allowed is None:  # any finite number
        return [math.nan, math.inf, -math.inf]
    step = 1 if plain_type(hint) is int else max(1e-9, abs(allowed.high) * 1e-6)
    ends = [allowed.low] if allowed.open in ("low", "both") else []
    ends += [allowed.high] if allowed.open in ("high", "both") else []
    found = [math.nan, math.inf, -math.inf, allowed.low - step, allowed.high + step, *ends, True]
    return [*found, allowed.low + 0.5] if plain_type(hint) is int else found


@pytest.mark.parametrize(("good", "name"), FIELDS, ids=ids)
def test_a_caller_cannot_give_what_is_out_of_range(good, name):
    for value in beyond(hints_of(type(good))[name]):
        with pytest.raises(InputError, match=r"is |cannot be searched"):
            dataclasses.replace(good, **{name: value})


@pytest.mark.parametrize(("good", "name"), FIELDS, ids=ids)
def test_a_file_cannot_give_what_is_out_of_range(good, name, tmp_path):
    path = tmp_path / "settings.yaml"
    values = to_mapping(good) if good in (PRETRAIN, TransferSettings()) else {}
    texts = [str(value) for value in beyond(hints_of(type(good))[name])]
    for text in (*texts, "nan", ".nan", ".inf", "-.Inf", "'nan'", "1e999", "010", "1:30", "[1]"):
        path.write_text(f"{name}: {text}\n")
        with pytest.raises(InputError):
            from_mapping(type(good), {**values, **load_yaml(path)}, where="settings.yaml")


def test_numbers_are_what_they_look_like(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("a: 1e-3\nb: 10\nc: 0x10\nd: 010\ne: 1:30\nf: 1_000\ng: 2020-01-01\nh: '5'\n")
    assert load_yaml(path) == {
        "a": 0.001,
        "b": 10,
        "c": "0x10",
        "d": "010",
        "e": "1:30",
        "f": "1_000",
        "g": "2020-01-01",
        "h": "5",
    }


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x]\nb: *a\n",
        "a: &a {x: 1}\nb: {<<: *a}\n",
        "a: " + "[" * 5000,
        "a: " + "{a: " * 500,
        "- " * 500,
        "a: 1\na: 2\n",
        "a: {b: 1, b: 2}\n",
        "1: 2\n",
        "yes: 2\n",
        "? [a]\n: 2\n",
        "a: 1\n---\nb: 2\n",
        "a: !!python/object/apply:os.system [ls]\n",
        "a: !!int x\n",
        "a: [\n",
        "- 1\n",
        "text",
        "a: \x01\n",
        "a: 1\n" * 2_000_000,
        "".join(f"a{number}: 1\n" for number in range(30_000)),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_other_yaml_is_refused_at_once(text, tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(InputError, match=r"settings\.yaml"):
        load_yaml(path)
    assert time.process_time() - begun < 10


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_bytes("epochs: 3".encode("utf-16"))
    with pytest.raises(InputError, match="not valid YAML"):
        load_yaml(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_yaml(tmp_path)


@pytest.mark.parametrize("name", ["y_bomb.yaml", "y_deep.yaml"])
@pytest.mark.parametrize("read", [load_yaml, lambda path: read_space(path, "sf")])
def test_hostile_settings(cases, name, read):
    with pytest.raises(InputError, match=name):
        read(cases / name)


@pytest.mark.parametrize(
    "text",
    [
        "learning_rate: {low: 1.0e-3, high: 1.0e-4}",
        "learning_rate: {low: .nan, high: 1}",
        "learning_rate: {low: 1.0e-4, high: .inf}",
        "learning_rate: {low: 0, high: 1.0e-3, log: true}",
        "learning_rate: {low: 1.0e-4, high: 1.0e-3, step: .nan}",
        "learning_rate: [1.0e-3, .nan]",
        "weight_decay: {low: -1, high: 1}",
        "weight_decay: {low: 0, high: 1.0e+9}",
        "epochs: {low: 1, high: 2.5}",
        "epochs: {low: 1, high: 1.0e+12}",
        "epochs: 1e3",
        "epochs: [5, .inf]",
        "n_latent: 0",
        "{blocks: 1000, first_width: 9, last_width: 3, encoder_width: 5}",
        "rec_beta: nan",
    ],
)
def test_spaces_that_cannot_be_searched(text, tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"space\.yaml"):
        read_space(path, "sf")


def test_a_number_outside_its_range_is_told_with_the_end_that_it_crossed():
    with pytest.raises(InputError, match=r"seed is -1\. Expected at least 0\."):
        TransferSettings(seed=-1)
    with pytest.raises(InputError, match=r"seed is 4294967296\. Expected at most 4294967295\."):
        TransferSettings(seed=2**32)
    with pytest.raises(InputError, match="at least 1 of them"):
        dataclasses.replace(PRETRAIN, encoder_hidden=())
    with pytest.raises(InputError, match="encoder_hidden is 0"):
        dataclasses.replace(PRETRAIN, encoder_hidden=(3, 0))


def test_every_whole_number_has_a_range():
    for good in GOOD:
        for name, hint in hints_of(type(good)).items():
            plain = plain_type(hint)
            inner = get_args(plain)[0] if get_origin(plain) is tuple else narrowed(hint)
            if plain_type(inner) is int and not isinstance(good, DemoSettings):
                assert range_of(inner), f"{type(good).__name__}.{name}"
