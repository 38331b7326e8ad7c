"""The check of a device finds what is wrong with it: here on devices that are simulated."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks import device, device_checks, device_rates
from benchmarks.device_checks import Check, run_check
from benchmarks.device_rates import Rate
from scatd.nn.residual_vae import ResidualVAE
from tests.simulated_device import OnDevice, simulated_device

QUICK = ("draws of a seed", "gradients", "pretrain, small")


def of(name):
    (found,) = [check for check in device_checks.all_checks() if check.name == name]
    return found


@pytest.mark.parametrize("name", QUICK)
def test_a_device_without_faults_holds(tmp_path, name):
    with simulated_device() as there:
        outcome = run_check(of(name), str(there.device), tmp_path)
    assert outcome.holds, outcome
    assert outcome.difference == 0


@pytest.mark.parametrize("name", ["transfer, small", "forward pass, gf"])
def test_the_processor_holds_against_itself(tmp_path, name):
    """Their numbers are finite: those of a network that was never run are not."""
    outcome = run_check(of(name), "cpu", tmp_path)
    assert (outcome.holds, outcome.difference) == (True, 0)


@pytest.mark.parametrize("name", QUICK[1:])
def test_a_planted_difference_is_found(monkeypatch, tmp_path, name):
    encode = ResidualVAE.encode

    def inexact(self, x):
        mu, logvar = encode(self, x)
        return (1.5 * mu, logvar) if isinstance(x, OnDevice) else (mu, logvar)

    monkeypatch.setattr(ResidualVAE, "encode", inexact)
    with simulated_device() as there:
        outcome = run_check(of(name), str(there.device), tmp_path)
    assert outcome.holds is False
    assert outcome.difference > outcome.at_most


def test_draws_of_another_generator_are_found(monkeypatch, tmp_path):
    from scatd.training.draws import SeededDraws

    rows = SeededDraws.rows

    def other(self, n_rows, n_picks):
        found = rows(self, n_rows, n_picks)
        return found.flip(0) if isinstance(found, OnDevice) else found

    monkeypatch.setattr(SeededDraws, "rows", other)
    with simulated_device() as there:
        outcome = run_check(of("draws of a seed"), str(there.device), tmp_path)
    assert (outcome.holds, outcome.what) == (False, "picks")


def test_an_error_of_a_device_is_an_outcome(tmp_path):
    def refuse(where, _):
        if where != "cpu":
            msg = "no such kernel\nmore"
            raise NotImplementedError(msg)
        return {}

    outcome = run_check(Check("kernels", refuse, 1e-3), "cuda", tmp_path)
    assert (outcome.holds, outcome.what) == (False, "NotImplementedError: no such kernel")


@pytest.mark.parametrize(
    ("found", "holds"),
    [([1.0, 2.0], True), ([1.0, 2.001], True), ([1.0, 2.1], False), ([1.0], False),
     ([1.0, np.nan], False)],
)  # fmt: skip
def test_differences_are_shares_of_the_largest_number(tmp_path, found, holds):
    check = Check("one", lambda *_: {"x": np.array(found)}, 1e-2, lambda: {"x": np.array([1, 2])})
    assert run_check(check, "cpu", tmp_path).holds is holds


@pytest.fixture
def small(monkeypatch):
    """The command with two checks and one rate that take no time."""
    numbers = {"planted": 1.0}

    def planted(*_):
        numbers["planted"] += numbers.get("step", 0)
        return {"x": np.array([numbers["planted"]])}

    checks = [of("draws of a seed"), Check("planted", planted, 1e-3)]
    monkeypatch.setattr(device_checks, "all_checks", lambda: checks)
    rates = [Rate("work", "cells", lambda *_: lambda: 7), Rate("none", "cells", lambda *_: 1 / 0)]
    monkeypatch.setattr(device_rates, "RATES", rates)
    monkeypatch.setattr(device, "LONGEST", 0.01)
    return numbers


def test_the_command_writes_json_and_a_table(small, tmp_path, capsys):
    out = tmp_path / "out"
    assert device.main(["--device", "cpu", "--minutes", "1", "-o", str(out)]) == 0
    content = json.loads((out / "device.json").read_text())
    assert [check["holds"] for check in content["checks"]] == [True, True]
    assert content["rates"][0]["rate"] > 0
    assert content["rates"][1]["what"].startswith("ZeroDivisionError")
    table = (out / "device.md").read_text()
    assert "| planted | 0.0e+00 | 0.001 | holds |" in table
    assert table in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["device.json", "device.md"]


def test_a_check_that_does_not_hold_is_the_exit_code(small, tmp_path, capsys):
    small["step"] = 0.5
    assert device.main(["--device", "cpu", "--minutes", "1", "-o", str(tmp_path)]) == 1
    assert "These checks do not hold: planted" in capsys.readouterr().err
    assert json.loads((tmp_path / "device.json").read_text())["checks"][1]["holds"] is False


def test_without_time_nothing_is_said_to_hold(small, tmp_path):
    assert device.main(["--device", "cpu", "--minutes", "0", "-o", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "device.json").read_text())
    assert {check["holds"] for check in content["checks"]} == {None}
    assert {rate["what"] for rate in content["rates"]} == {device.NO_TIME}


def test_an_absent_device_is_refused(tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert device.main(["--device", "cuda", "-o", str(tmp_path / "out")]) == 2
    assert "no device 'cuda' here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
