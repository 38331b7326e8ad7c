"""A command that is silent says what it is doing."""

from __future__ import annotations

import logging
import time

import pytest

from scatd import activity, console


@pytest.fixture
def soon(monkeypatch):
    """Silence is too long after a moment."""
    monkeypatch.setattr(activity, "FIRST_WORD", 0.1)
    monkeypatch.setattr(activity, "EVERY", 0.3)


@pytest.fixture
def heard(caplog):
    """Waits until something is said, for ten seconds at most, and gives it."""
    caplog.set_level(logging.INFO, "scatd.activity")

    def wait(n=1):
        until = time.monotonic() + 10
        while len(caplog.messages) < n and time.monotonic() < until:
            time.sleep(0.02)
        return caplog.messages

    return wait


def test_a_silent_command_says_what_it_is_doing(soon, heard):
    with activity.told("scatd predict"), activity.doing("Reading cells.h5ad"):
        assert heard() == ["Reading cells.h5ad ..."]


def test_it_says_so_again_and_names_what_it_does_then(soon, heard):
    with activity.told("scatd predict"):
        with activity.doing("Reading cells.h5ad"):
            heard()
        assert heard(2) == ["Reading cells.h5ad ...", "scatd predict is at work ..."]


def test_a_message_ends_the_silence(soon, heard, monkeypatch):
    monkeypatch.setattr(activity, "EVERY", 1000)
    with activity.told("scatd predict"):
        activity.note_message()
        time.sleep(0.3)
        assert heard(0) == []


def test_a_long_step_says_how_far_it_is_and_how_long_it_takes(soon, heard, monkeypatch):
    now = [100.0]
    with activity.told("scatd predict"):
        with monkeypatch.context() as patch, console.progress(8000, "Scoring", "cell") as bar:
            heard(2)
            patch.setattr(bar, "_began", 100.0)
            patch.setattr(console.time, "monotonic", lambda: now[0])
            bar.update(2000)
            now[0] += 30
            assert bar.in_words() == "Scoring: 2,000 of 8,000 cells, about 90 s left"
            now[0] += 570
            assert bar.in_words() == "Scoring: 2,000 of 8,000 cells, about 30 min left"
        assert heard(2)[:2] == ["Scoring: 0 of 8,000 cells"] * 2
        assert heard(3)[-1] == "scatd predict is at work ..."


def test_a_step_of_unknown_length_says_no_number():
    with console.progress(None, "Fetching", "B") as bar:
        bar.update(7)
        assert bar.in_words() == "Fetching ..."
        assert bar.n == 7


def test_nothing_is_said_where_the_user_sees_it(soon, heard):
    with activity.told("scatd serve"), activity.doing("answering", is_visible=True):
        time.sleep(0.5)
        assert heard(0) == []


def test_nothing_is_said_after_the_end(soon, heard):
    with activity.told("scatd check"):
        pass
    time.sleep(0.5)
    assert heard(0) == []
