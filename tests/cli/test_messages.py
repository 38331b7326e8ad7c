"""Faults end in one line and the right exit code; notes and warnings are printed."""

from __future__ import annotations

import errno
import logging

import pytest

from scatd.errors import InputError, TrainingError

LOUD = logging.getLogger("scatd.workflows.transfer.run")


@pytest.fixture
def transfer(scatd, workflow, transfer_result):
    """Run `scatd transfer` where the workflow says something and then ends in `outcome`."""

    def run(outcome=None, *words):
        def work():
            LOUD.debug("a detail")
            LOUD.info("a note")
            LOUD.warning("120 samples are few")
            if outcome is not None:
                raise outcome
            return transfer_result()

        workflow("transfer", work)
        return scatd("transfer", "--drug", "D", *words)

    return run


@pytest.mark.parametrize(
    ("outcome", "code", "line"),
    [
        (
            InputError("no column 'D'", where="x.csv", expected="a drug", remedy="Name it."),
            2,
            "Error: x.csv: no column 'D'. Expected a drug. Name it.",
        ),
        (TrainingError("the loss is not finite"), 1, "Error: the loss is not finite."),
        (
            ValueError("deep\ninside"),
            1,
            "Error: internal error: ValueError: deep. --verbose shows where it arose; "
            "please report it",
        ),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
    ids=["input", "training", "bug", "ctrl-c"],
)
def test_faults(transfer, outcome, code, line):
    done = transfer(outcome)
    assert done.exit_code == code
    assert done.stderr.splitlines()[-1] == line
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_all_faults_of_an_input_are_listed(transfer):
    done = transfer(InputError("2 faults\n  - one.\n  - two.", where="x.h5ad"))
    assert done.stderr.splitlines()[-3:] == ["Error: x.h5ad: 2 faults", "  - one.", "  - two."]


def test_a_bug_shows_its_traceback_when_asked(transfer):
    done = transfer(ValueError("deep inside"), "--verbose")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "Error: internal error: ValueError: deep inside. please report it"
    )


def test_known_faults_have_no_traceback_even_then(transfer):
    assert "Traceback" not in transfer(InputError("bad"), "-v").stderr


def test_a_closed_pipe_is_no_bug(transfer):
    done = transfer(OSError(errno.EPIPE, "Broken pipe"))
    assert done.exit_code == 1
    assert "Error" not in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), ["a note", "Warning: 120 samples are few"]),
        (("-v",), ["a detail", "a note", "Warning: 120 samples are few"]),
        (("--quiet",), []),
        (("-q",), []),
    ],
)
def test_messages(transfer, words, said):
    done = transfer(None, *words)
    assert done.exit_code == 0
    assert done.stderr.splitlines() == said
    assert "The finding in words." in done.stdout


def test_nothing_is_left_behind(transfer):
    logger = logging.getLogger("scatd")
    before = (list(logger.handlers), logger.level)
    for outcome in (None, InputError("bad"), ValueError("bug")):
        transfer(outcome, "--verbose")
        assert (list(logger.handlers), logger.level) == before
