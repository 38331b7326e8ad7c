"""What the processor does while a GPU trains."""

from __future__ import annotations

import threading

import pytest
import torch

from scatd.training.aside import Aside


def test_on_the_processor_it_is_done_at_once():
    done = []
    with Aside(torch.device("cpu")) as aside:
        found = aside.begin(lambda value: done.append(threading.current_thread()) or value, 3)
        assert done == [threading.current_thread()]
        assert found() == 3


def test_beside_another_device_the_caller_goes_on():
    going_on = threading.Event()
    with Aside(torch.device("meta")) as aside:
        found = [aside.begin(lambda number: going_on.wait(10) and number, n) for n in range(3)]
        going_on.set()  # not reached if `begin` waited
        assert [one() for one in found] == [0, 1, 2]


def test_an_error_comes_with_the_result():
    with Aside(torch.device("meta")) as aside:
        found = aside.begin(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            found()


def test_after_an_error_nothing_more_is_begun():
    done = []
    first = threading.Event()

    def work():
        with Aside(torch.device("meta")) as aside:
            aside.begin(first.wait, 10)
            for number in range(5):
                aside.begin(done.append, number)
            threading.Timer(0.05, first.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert done == []
