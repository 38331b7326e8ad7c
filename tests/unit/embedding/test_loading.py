"""Published files are read, and code in them is not run."""

from __future__ import annotations

import json
import os
import pickle
import subprocess

import numpy as np
import pytest
import torch

from scatd.embedding.geneformer_dictionaries import read_vocabulary
from scatd.embedding.loading import load_dictionary, load_tensors
from scatd.errors import InputError


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("load", [load_dictionary, lambda path: load_tensors(path, expected="x")])
def test_code_in_a_file_does_not_run(tmp_path, load):
    path, mark = tmp_path / "file.pkl", tmp_path / "ran"
    if load is load_dictionary:
        path.write_bytes(pickle.dumps({"a": Evil(mark)}))
    else:
        torch.save({"a": Evil(mark)}, path)
    with pytest.raises(InputError, match=r"system.*would run code.*Nothing of it was run"):
        load(path)
    assert not mark.exists()
    assert subprocess.run(["touch", mark], check=True).returncode == 0  # it would have worked


@pytest.mark.parametrize("name", ["builtins.eval", "numpy.load", "numpy.core.multiarray.fromfile"])
def test_only_numbers_of_numpy_are_allowed(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    (tmp_path / "a.pkl").write_bytes(f"c{module}\n{attribute}\n.".encode())
    with pytest.raises(InputError, match=name):
        load_dictionary(tmp_path / "a.pkl")


@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", pickle.dumps({"a": 1})[:-3]])
def test_damaged_pickles(tmp_path, content):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        load_dictionary(tmp_path / "a.pkl")


@pytest.mark.parametrize("content", [[1, 2], {1: 2}])
def test_what_is_no_dictionary_of_names(tmp_path, content):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match="names as keys"):
        load_dictionary(tmp_path / "a.pkl")


def test_numpy_numbers_under_the_old_name(tmp_path):
    content = {"A": np.float64(1.5), "B": np.int16(7)}
    old = pickle.dumps(content, protocol=3).replace(b"numpy._core.", b"numpy.core.")
    (tmp_path / "a.pkl").write_bytes(old)
    assert load_dictionary(tmp_path / "a.pkl") == content


def write_dictionaries(folder, tokens, medians, suffix=".json"):
    for name, content in (("token_dictionary", tokens), ("gene_median_dictionary", medians)):
        encoded = json.dumps(content).encode() if suffix == ".json" else pickle.dumps(content)
        (folder / f"{name}{suffix}").write_bytes(encoded)


def test_json_and_pickle_say_the_same(tmp_path):
    tokens, medians = {"<pad>": 0, "<mask>": 1, "G1": 2, "G2": 3}, {"G1": 1.5, "G2": 0.25}
    (tmp_path / "j").mkdir()
    (tmp_path / "p").mkdir()
    write_dictionaries(tmp_path / "j", tokens, medians)
    write_dictionaries(tmp_path / "p", tokens, medians, ".pkl")
    one, two = read_vocabulary(tmp_path / "j"), read_vocabulary(tmp_path / "p")
    assert one == two
    assert one.sha256() == two.sha256()
    assert one.tokens == {"G1": 2, "G2": 3}
    write_dictionaries(tmp_path / "j", tokens, medians | {"G2": 0.26})
    assert read_vocabulary(tmp_path / "j").sha256() != two.sha256()


@pytest.mark.parametrize(
    ("tokens", "medians", "said"),
    [
        ({"G1": 2}, {"G1": 0.0}, "median of G1"),
        ({"G1": 2}, {"G1": "many"}, "median of G1"),
        ({"G1": 2}, {"G1": float("nan")}, "median of G1"),
        ({"G1": 2}, {"G1": 1.0, "G2": 1.0}, "G2 has a median and no token"),
        ({"G1": "two"}, {"G1": 1.0}, "G1 has a median and no token"),
    ],
)
def test_dictionaries_that_do_not_fit(tmp_path, tokens, medians, said):
    write_dictionaries(tmp_path, tokens, medians)
    with pytest.raises(InputError, match=said):
        read_vocabulary(tmp_path)


def test_missing_dictionaries_say_where_they_are(tmp_path):
    with pytest.raises(InputError, match="scatd download geneformer-dictionaries"):
        read_vocabulary(tmp_path)
