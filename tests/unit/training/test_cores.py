"""Pieces of work that cores take side by side."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from scatd.training.cores import one_thread, own_cores, side_by_side


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def numbers_of_threads():
    """Threads that torch, and each library that scikit-learn or numpy computes with, would use."""
    return {torch.get_num_threads(), *(found["num_threads"] for found in threadpool_info())}


class Together:
    """Threads that wait for each other, so that several pieces are at work at the same time."""

    def __init__(self, n_threads):
        self._barrier = threading.Barrier(n_threads)

    def seen(self, look):
        """What is seen while all of them are at work."""
        self._barrier.wait(timeout=60)
        found = look()
        self._barrier.wait(timeout=60)
        return found


def test_results_stand_in_the_order_of_the_pieces():
    together = Together(3)

    def work(piece):
        return piece, *together.seen(lambda: (numbers_of_threads(), own_cores()))

    found = side_by_side(work, [3, 1, 2, 6, 5, 4])
    assert found == [(piece, {1}, 1) for piece in (3, 1, 2, 6, 5, 4)]
    assert torch.get_num_threads() == own_cores() == 3


def test_few_pieces_share_the_cores():
    assert side_by_side(lambda _: (own_cores(), numbers_of_threads()), ["a"]) == [(3, {1})]
    torch.set_num_threads(4)
    together = Together(2)
    assert side_by_side(lambda _: together.seen(own_cores), ["a", "b"]) == [2, 2]
    assert side_by_side(lambda _: own_cores(), ["a", "b"], "meta") == [4, 4]
    assert side_by_side(lambda _: own_cores(), []) == []
    assert own_cores() == 4


def test_a_piece_in_a_piece_has_the_cores_of_the_outer_one():
    together = Together(3)

    def work(_):
        return together.seen(lambda: side_by_side(lambda _: own_cores(), [1, 2, 3]))

    assert side_by_side(work, [1, 2, 3]) == [[1, 1, 1]] * 3


def test_the_last_piece_has_the_cores_of_those_that_are_done():
    together = Together(3)

    def work(piece):
        if piece < 3:
            return own_cores()
        until = time.monotonic() + 60
        while own_cores() < 3 and time.monotonic() < until:
            time.sleep(0.01)
        return own_cores(), side_by_side(lambda _: together.seen(own_cores), ["a", "b", "c"])

    assert side_by_side(work, range(4))[3] == (3, [1, 1, 1])


def test_an_error_ends_the_work_and_leaves_the_threads_as_they_were():
    before = {found["filepath"]: found["num_threads"] for found in threadpool_info()}
    begun = []

    def work(piece):
        begun.append(piece)
        raise ValueError(piece)

    with pytest.raises(ValueError, match=r"^[012]$"):
        side_by_side(work, range(1000))
    assert set(begun) <= {0, 1, 2}  # each of the three cores begins one piece at most
    assert torch.get_num_threads() == 3
    assert {found["filepath"]: found["num_threads"] for found in threadpool_info()} == before


def test_numbers_do_not_depend_on_the_cores():
    rng = np.random.default_rng(0)
    pieces = [rng.normal(size=(150, 300)) for _ in range(4)]

    def work(X):
        return (X @ X.T).sum(), float((torch.from_numpy(X) @ torch.from_numpy(X).T).sum())

    found = side_by_side(work, pieces)
    torch.set_num_threads(1)
    assert found == side_by_side(work, pieces)


def test_one_thread():
    with one_thread():
        assert numbers_of_threads() == {1}
        assert own_cores() == 3
        assert side_by_side(lambda _: own_cores(), ["a"]) == [3]
    with one_thread(when=False):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == own_cores() == 3
