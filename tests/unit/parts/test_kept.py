"""Parts that are kept until work ends, and the notes of parts that a user asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from scatd.errors import InputError, ScatdError
from scatd.parts.cohort_hash import content_hash
from scatd.parts.computing import computed
from scatd.parts.kept import unfinished_work
from scatd.parts.note import PartNote, in_order, note_path, read_note, write_note
from scatd.scheduling import here

WORK = {"model": "scatd-sf-docetaxel", "version": 3}
ROWS = range(2000)


def make(done, part):
    """Keep a part whose values are its rows, and write down that it was computed."""
    kept, log = done
    log.append(part)
    kept.put(part, {"rows": np.array(part)}, {"n": len(part)})
    return part


def run(folder, log, work=WORK, stop_after=None):
    """Compute all parts; returns the rows that were read, in their order."""
    found = []
    engine = here(1)
    with unfinished_work(folder, work, 512) as unfinished:
        shared = engine.share((unfinished.parts, log))
        for number, (part, _) in enumerate(computed(engine, make, shared, unfinished, ROWS)):
            if number == stop_after:
                raise KeyboardInterrupt
            arrays, more = unfinished.parts.take(part)
            assert more == {"n": len(part)}
            found += arrays["rows"].tolist()
    return found


def test_all_rows_come_in_their_order_and_nothing_is_left(tmp_path):
    folder, log = tmp_path / "parts", []
    assert run(folder, log) == list(ROWS)
    assert not folder.exists()


def test_work_goes_on_from_finished_parts(tmp_path):
    folder, log = tmp_path / "parts", []
    with pytest.raises(KeyboardInterrupt):
        run(folder, log, stop_after=2)
    again = []
    assert run(folder, again) == list(ROWS)
    assert [part.start for part in log] == [0, 512, 1024]
    assert [part.start for part in again] == [1536]


@pytest.mark.parametrize("damage", ["cut", "changed", "no note"])
def test_a_damaged_part_is_computed_again(tmp_path, damage):
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        run(folder, [], stop_after=2)
    file = folder / "000000000512-000000001024.npz"
    if damage == "no note":
        file.with_suffix(".json").unlink()
    else:
        whole = file.read_bytes()
        file.write_bytes(whole[:-7] if damage == "cut" else whole[:-7] + b"\0" * 7)
    again = []
    assert run(folder, again) == list(ROWS)
    assert [part.start for part in again] == [512, 1536]


def test_parts_of_other_work_are_not_taken(tmp_path):
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        run(folder, [], stop_after=2)
    again = []
    assert run(folder, again, work={**WORK, "version": 4}) == list(ROWS)
    assert len(again) == 4


def test_a_fault_that_the_user_must_mend_leaves_nothing(tmp_path):
    folder = tmp_path / "parts"
    with pytest.raises(InputError), unfinished_work(folder, WORK, 512):
        raise InputError("no")
    assert not folder.exists()


def test_parts_stay_when_workers_are_lost(tmp_path):
    folder = tmp_path / "parts"
    with pytest.raises(ScatdError), unfinished_work(folder, WORK, 512):
        raise ScatdError("no worker is left")
    assert folder.exists()


def test_two_commands_do_not_work_on_one_output(tmp_path):
    folder = tmp_path / "parts"
    with (
        unfinished_work(folder, WORK, 512),
        pytest.raises(InputError, match="another command is at work"),
        unfinished_work(folder, WORK, 512),
    ):
        pass


@pytest.fixture
def parts(tmp_path):
    """Three files with their notes, which belong together."""
    notes = {}
    for start, stop in ((0, 512), (512, 1024), (1024, 1500)):
        path = tmp_path / f"{start}.csv"
        path.write_text(f"rows {start}")
        cohort = "cells.h5ad", "ab" * 32, 1500
        note = PartNote("predict", WORK, *cohort, start, stop, content_hash(path))
        write_note(path, note)
        notes[path] = note
    return notes


def test_parts_are_put_in_order(parts):
    backwards = dict(reversed(parts.items()))
    assert in_order({path: read_note(path) for path in backwards}) == list(parts)


def test_missing_and_repeated_rows_are_all_named(parts, tmp_path):
    first, second, last = parts
    with pytest.raises(InputError, match=r"rows 512:1024 are missing.*--rows 512:1024"):
        in_order({first: parts[first], last: parts[last]})
    with pytest.raises(InputError, match=r"rows 1024:1500 are missing"):
        in_order({first: parts[first], second: parts[second]})
    again = tmp_path / "again.csv"
    with pytest.raises(InputError, match=r"again.csv has rows 0:512, and another part"):
        in_order({**parts, again: parts[first]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"work": {**WORK, "version": 4}}, "version is 4 here and 3 there"),
        ({"cohort_sha256": "cd" * 32}, "content of the cohort"),
        ({"scatd": "9.9.9"}, "version of scatd is 9.9.9"),
        ({"command": "embed"}, "command is embed"),
        ({"n_obs": 1501}, "number of rows"),
    ],
)
def test_parts_of_other_work_are_refused(parts, change, words):
    last = list(parts)[-1]
    with pytest.raises(InputError, match=words):
        in_order({**parts, last: replace(parts[last], **change)})


def test_a_file_that_was_changed_or_has_no_note_is_refused(parts):
    first, second, _ = parts
    first.write_text("other rows")
    with pytest.raises(InputError, match="was changed after it was made"):
        read_note(first)
    note_path(second).write_text(json.dumps({"format": 1}))
    with pytest.raises(InputError, match="is damaged"):
        read_note(second)
    note_path(second).unlink()
    with pytest.raises(InputError, match="is no part"):
        read_note(second)


def test_the_hash_of_a_cohort_is_that_of_its_content(tmp_path, monkeypatch):
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    one, same = tmp_path / "a.npy", tmp_path / "b.npy"
    for path in (one, same):
        path.write_bytes(b"cells")
    assert content_hash(one) == content_hash(same)
    folder = tmp_path / "c.zarr"
    (folder / "x").mkdir(parents=True)
    (folder / "x" / "0").write_bytes(b"chunk")
    before = content_hash(folder)
    (folder / "x" / "0").write_bytes(b"other chunk")
    assert content_hash(folder) != before
