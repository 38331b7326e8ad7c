"""What all engines promise, whatever stands behind them."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from scatd.errors import InputError, ScatdError, TrainingError
from scatd.scheduling import open_engine


@dataclass(frozen=True)
class Begun:
    """What a worker makes of a value: where it was made, and how often."""

    X: np.ndarray
    process: int
    folder: Path


def begin(value):
    X, folder = value
    with (folder / f"begun-{os.getpid()}").open("a") as marks:
        marks.write("x")
    return Begun(X, os.getpid(), folder)


def scaled(begun, task):
    assert begun.process == os.getpid()
    return float(begun.X.sum()) * task


def backwards(folder, task):
    """Task 0 is done when task 1 is, or the result of task 1 is known."""
    is_known = (folder / "to be known").exists()
    awaited = folder / ("known" if is_known else "1")
    # A cluster gives all to the worker that has the value. Others take some of it seconds later.
    until = time.monotonic() + (60 if is_known else 3)
    while task == 0 and not awaited.exists() and time.monotonic() < until:
        time.sleep(0.01)
    (folder / str(task)).touch()
    return task


def double(_, task):
    return 2 * task


def explained(_, task):
    if task == 2:
        raise TrainingError("loss became nan", where="fold 2", expected="a number", remedy="Wait.")
    return task


def unexplained(_, task):
    raise ZeroDivisionError(f"task {task}")


def warned(_, task):
    logging.getLogger("scatd.somewhere").warning("odd values in %s", task)
    logging.getLogger("scatd.somewhere").info("of no interest")
    return task


def threads(_, task):
    import torch  # a process that needs no torch does not wait for it

    return torch.get_num_threads(), os.getpid()


def lost_once(folder, task):
    """Task 3 ends its process the first time that it is done."""
    with (folder / f"task-{task}").open("a") as marks:
        marks.write("x")
    if task == 3 and (folder / "task-3").stat().st_size == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task * 10


def lost(_, task):
    os.kill(os.getpid(), signal.SIGKILL)


def asleep(folder, task):
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that has ended and was not waited for yet is no process that works.
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_results_are_those_of_a_plain_loop_and_in_order(engine, tmp_path):
    shared = engine.share((np.arange(5.0), tmp_path), begin)
    assert list(engine.in_order(scaled, shared, range(7))) == [10.0 * task for task in range(7)]
    assert sorted(engine.as_done(scaled, shared, range(7))) == [10.0 * task for task in range(7)]
    assert list(engine.in_order(scaled, shared, [])) == []
    marks = [path.read_text() for path in tmp_path.glob("begun-*")]
    assert len(marks) >= 1
    for text in marks:
        assert text == "x", "a worker has begun the value twice"


def test_results_are_in_order_or_come_as_they_are_done(apart, tmp_path):
    (tmp_path / "order").mkdir()
    shared = apart.share(tmp_path / "order")
    assert list(apart.in_order(backwards, shared, range(3))) == [0, 1, 2]
    (tmp_path / "to be known").touch()
    with contextlib.closing(apart.as_done(backwards, apart.share(tmp_path), [0, 1])) as work:
        assert next(work) == 1
        (tmp_path / "known").touch()
        assert list(work) == [0]


def test_at_most_a_window_of_tasks_is_taken(engine):
    taken, window = [], 3

    def tasks():
        for task in range(8):
            taken.append(task)
            yield task

    found = engine.in_order(double, engine.share(None), tasks(), window=window)
    for n_read, result in enumerate(found):
        assert result == 2 * n_read
        assert len(taken) <= n_read + window
    assert len(taken) == 8


def test_many_tasks_are_not_taken_at_once(engine):
    taken = []

    def tasks():
        for task in range(100):
            taken.append(task)
            yield task

    with contextlib.closing(engine.as_done(double, engine.share(None), tasks())) as found:
        next(found)
    assert len(taken) <= 2 * engine.n_workers


def test_a_fault_that_scatd_explains_is_raised_at_its_place_with_all_its_parts(engine):
    found = engine.in_order(explained, engine.share(None), range(6))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(TrainingError) as raised:
        next(found)
    error = raised.value
    parts = (error.what, error.where, error.expected, error.remedy)
    assert parts == ("loss became nan", "fold 2", "a number", "Wait.")
    assert str(error) == "fold 2: loss became nan. Expected a number. Wait."
    assert list(found) == [], "a generator that has raised goes on"


def test_another_fault_is_raised_as_it_is(engine):
    with pytest.raises(ZeroDivisionError, match="task 5"):
        next(engine.in_order(unexplained, engine.share(None), [5]))


def test_warnings_of_workers_are_those_of_the_parent(apart, caplog, capfd):
    with caplog.at_level(logging.INFO, "scatd"):
        assert list(apart.in_order(warned, apart.share(None), [7])) == [7]
    assert [(one.name, one.getMessage()) for one in caplog.records] == [
        ("scatd.somewhere", "odd values in 7")
    ]
    assert "odd values" not in capfd.readouterr().err


def test_a_worker_computes_with_one_thread_in_a_process_of_its_own(apart):
    for n_threads, process in apart.in_order(threads, apart.share(None), range(3)):
        assert n_threads == 1
        assert process != os.getpid()


def test_this_process_is_the_engine_without_a_scheduler(here):
    ((_, process),) = here.in_order(threads, here.share(None), [0])
    assert process == os.getpid()
    assert here.n_workers == 1


def test_a_large_value_reaches_all_workers_and_may_be_written_to(apart, tmp_path):
    X = np.ones(3_000_000, np.float32)
    shared = apart.share((X, tmp_path), begin)
    found = list(apart.in_order(added, shared, range(6)))
    assert [total for total, _ in found] == [3e6] * 6


def added(begun, task):
    begun.X[0] += 0  # numpy refuses this where the bytes are not its own
    return float(begun.X.sum()), os.getpid()


def test_the_task_of_a_lost_worker_is_done_again_and_no_other_one(cluster, tmp_path):
    shared = cluster.share(tmp_path)
    found = list(cluster.in_order(lost_once, shared, range(8), window=2))
    assert found == [10 * task for task in range(8)]
    done = {path.name: len(path.read_text()) for path in tmp_path.iterdir()}
    assert done.pop("task-3") == 2
    # What waited at the lost worker, or was not read yet, may be done again; nothing else.
    assert {name for name, n in done.items() if n > 1} <= {"task-2", "task-4"}


def test_a_value_outlives_all_of_its_workers(tmp_path):
    pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")
    with open_engine("local:1") as engine:
        shared = engine.share(tmp_path)
        assert list(engine.in_order(lost_once, shared, range(5))) == [0, 10, 20, 30, 40]


def test_a_task_that_ends_its_worker_again_and_again_is_given_up(cluster):
    with pytest.raises(ScatdError, match="given up: 3 workers were lost while they did it"):
        next(cluster.in_order(lost, cluster.share(None), [0]))
    assert list(cluster.in_order(double, cluster.share(None), [4])) == [8]


def test_a_lost_process_without_a_scheduler_is_said(processes):
    with pytest.raises(ScatdError, match=r"ended from outside.*--scheduler local:N"):
        next(processes.in_order(lost, processes.share(None), [0]))


def test_processes_that_are_stopped_leave_nothing(processes, tmp_path):
    before = set(multiprocessing.active_children())
    work = processes.as_done(marks_or_sleeps, processes.share(tmp_path), [0, 1, 1])
    with contextlib.closing(work):
        assert next(work) == 0
        started = set(multiprocessing.active_children()) - before
        assert started
    for process in started:
        process.join(20)
        # The pool may have waited for it first; then only the system knows that it has ended.
        assert not is_alive(process.pid)


def marks_or_sleeps(folder, task):
    if task:
        asleep(folder, task)
    return task


def test_tasks_that_are_stopped_do_not_begin_any_more(cluster, tmp_path):
    with contextlib.closing(cluster.as_done(marks, cluster.share(tmp_path), range(4))) as work:
        next(work)
    # What waited at a worker would be done before these, which take the time of both workers.
    (tmp_path / "later").mkdir()
    list(cluster.in_order(marks, cluster.share(tmp_path / "later"), range(4)))
    begun = {path.name for path in tmp_path.iterdir()} - {"later"}
    assert 0 < len(begun) < 4


def marks(folder, task):
    (folder / str(task)).touch()
    time.sleep(0.5)
    return task


@pytest.mark.parametrize("kind", [InputError, TrainingError])
def test_errors_travel_whole(kind):
    error = kind("'x!' is odd", where="here", expected="y", remedy="Do z!")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
