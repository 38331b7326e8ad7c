"""Progress is shown on a terminal only, and messages do not break it."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
import types

from scatd import console


class Terminal(io.StringIO):
    def isatty(self):
        return True


@contextlib.contextmanager
def terminal():
    """Stderr as a terminal; not a fixture, because pytest sets stderr again before each test."""
    with contextlib.redirect_stderr(Terminal()) as screen:
        yield screen


def count_to_three():
    with console.progress(3, "Counting", "step") as bar:
        for number in range(3):
            bar.set_postfix(number=number)
            bar.update(1)
        bar.refresh()


def test_a_terminal_shows_progress():
    with terminal() as screen:
        count_to_three()
    shown = screen.getvalue()
    assert "Counting" in shown
    assert "3/3" in shown
    assert "number=2" in shown


def test_anything_else_does_not(capsys):
    count_to_three()
    assert capsys.readouterr().err == ""


def test_a_notebook_shows_progress(capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    count_to_three()
    assert "Counting" in capsys.readouterr().err
    monkeypatch.setenv("TQDM_DISABLE", "1")
    count_to_three()
    assert capsys.readouterr().err == ""


def test_quiet_is_quiet():
    with terminal() as screen:
        console.set_quiet()
        try:
            count_to_three()
        finally:
            console.set_quiet(quiet=False)
        with console.messages(logging.ERROR):
            count_to_three()
            logging.getLogger("scatd.x").warning("few samples")
        assert screen.getvalue() == ""
        count_to_three()
        assert "Counting" in screen.getvalue()


def test_messages_stand_on_lines_of_their_own():
    logger = logging.getLogger("scatd.x")
    with (
        terminal() as screen,
        console.messages(logging.INFO),
        console.progress(3, "Counting", "step") as bar,
    ):
        bar.update(1)
        bar.refresh()
        logger.info("a %s", "note")
        logger.warning("a warning")
        logger.error("an error")
        logger.debug("a detail")
    lines = [line.split("\r")[-1] for line in screen.getvalue().split("\n")]
    assert lines[:3] == ["a note", "Warning: a warning", "Error: an error"]
    assert "a detail" not in screen.getvalue()


def test_a_warning_is_said_once():
    with terminal() as screen, console.messages(logging.INFO):
        for number in (1, 1, 2):
            logging.getLogger("scatd.x").warning("%d samples are few", number)
            logging.getLogger("scatd.x").info("next")
    shown = screen.getvalue()
    assert shown.count("1 samples are few") == shown.count("2 samples are few") == 1
    assert shown.count("next") == 3


def test_threads_show_their_own_messages_once_and_leave_the_logger_as_it_was(capsys):
    logger = logging.getLogger("scatd")
    before = logger.level, list(logger.handlers)
    first_is_open, both_are_open = threading.Event(), threading.Barrier(2)

    def work(name: str, level: int) -> None:
        if name == "second":
            first_is_open.wait()
        with console.messages(level):
            first_is_open.set()
            both_are_open.wait(10)
            logging.getLogger("scatd.x").info("message of the %s", name)
            both_are_open.wait(10)
            if name == "second":
                first.join()  # the one that began first ends first

    first = threading.Thread(target=work, args=("first", logging.INFO))
    second = threading.Thread(target=work, args=("second", logging.ERROR))
    for thread in (first, second):
        thread.start()
    second.join(10)
    assert capsys.readouterr().err == "message of the first\n"
    assert (logger.level, logger.handlers) == before
    with terminal():
        assert console.shows_progress()
