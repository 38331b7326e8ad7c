"""Blocks are read one ahead, in order, and errors keep their place."""

from __future__ import annotations

import threading

import pytest

from scatd.data.ahead import read_ahead


def test_blocks_come_in_order_and_each_is_read_once():
    read = []
    assert list(read_ahead(lambda n: read.append(n) or 10 * n, range(5))) == [0, 10, 20, 30, 40]
    assert read == [0, 1, 2, 3, 4]
    assert list(read_ahead(str, [])) == []
    assert list(read_ahead(str, [7])) == ["7"]


def test_the_next_block_is_read_while_the_caller_works():
    began = threading.Event()

    def read(number):
        if number == 1:
            began.set()
        return number

    blocks = read_ahead(read, [0, 1, 2])
    assert next(blocks) == 0
    assert began.wait(timeout=30)  # without being asked for
    blocks.close()


def test_an_error_is_raised_in_the_place_of_its_block():
    def read(number):
        if number == 2:
            raise ValueError("block 2")
        return number

    blocks = read_ahead(read, range(5))
    assert [next(blocks), next(blocks)] == [0, 1]
    with pytest.raises(ValueError, match="block 2"):
        next(blocks)


def test_who_stops_early_does_not_wait_and_no_further_block_is_read():
    may_end, ended, read = threading.Event(), threading.Event(), []

    def block(number):
        read.append(number)
        if number == 1:
            assert may_end.wait(timeout=30)
            ended.set()
        return number

    blocks = read_ahead(block, range(5))
    next(blocks)
    blocks.close()  # while block 1 is being read
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(timeout=30)
    assert read == [0, 1]
