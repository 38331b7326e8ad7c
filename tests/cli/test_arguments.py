"""`auto`, true|false, settings files, and which of them wins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scatd.training.settings import (
    PUBLISHED_PRETRAIN,
    TransferSettings,
    default_pretrain,
    published_transfer,
)


@pytest.fixture
def settings_of(scatd, workflow):
    """Settings that `scatd transfer` with these words asks for."""

    def run(*words):
        calls = workflow("transfer")
        # A settings file is for data of the user's, never for the demo.
        done = scatd("transfer", "--drug", "D", "--source", "bulk.npy", *words)
        assert done.exit_code == 0, done.output
        return calls[-1]["request"].settings

    return run


@pytest.mark.parametrize("words", [("--folds", "auto"), ("--folds=auto",)])
def test_auto_is_not_given(settings_of, words):
    assert settings_of(*words, "--epochs", "9") == TransferSettings(epochs=9)


def test_auto_is_given_where_it_is_a_choice(settings_of, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("multiplier: preset\n")
    assert settings_of("--settings", file).multiplier == "preset"
    assert settings_of("--settings", file, "--multiplier", "auto").multiplier == "auto"
    assert settings_of("--settings", file, "--multiplier=auto").multiplier == "auto"


def test_a_settings_file_chooses_the_model_unless_the_command_line_does(settings_of, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("model: linear\n")
    assert settings_of().model == "auto"
    assert settings_of("--model", "trees").model == "trees"
    assert settings_of("--settings", file).model == "linear"
    assert settings_of("--settings", file, "--model", "mean").model == "mean"
    assert settings_of("--settings", file, "--model", "auto").model == "auto"


def test_the_published_model_is_the_network(settings_of, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("model: linear\n")
    assert settings_of("--published").model == "network"
    assert settings_of("--published", "--settings", file).model == "linear"
    assert settings_of("--published", "--model", "trees").model == "trees"


def test_an_unknown_model_is_refused(scatd, workflow):
    calls = workflow("transfer")
    done = scatd("transfer", "--drug", "D", "--model", "forest")
    assert done.exit_code == 2
    assert "'auto', 'network', 'linear', 'trees', 'mean'" in done.stderr
    assert calls == []


@pytest.mark.parametrize(
    ("word", "tomek"),
    [
        ("--tomek", True),
        ("--tomek=true", True),
        ("--tomek=True", True),
        ("--tomek=1", True),
        ("--tomek=false", False),
        ("--tomek=False", False),
        ("--tomek=0", False),
        ("--no-tomek", False),
        ("--no-tomek=true", False),
        ("--no-tomek=false", True),
    ],
)
def test_switches_take_true_and_false(settings_of, tmp_path, word, tomek):
    file = tmp_path / "settings.yaml"  # says the opposite, so that the word is what decides
    file.write_text(f"tomek: {str(not tomek).lower()}\n")
    assert settings_of("--settings", file, word).tomek is tomek
    assert settings_of("--settings", file, "--tomek=auto").tomek is not tomek


@pytest.mark.parametrize(
    ("word", "published"),
    [
        ("--published", True),
        ("--published=true", True),
        ("--published=1", True),
        ("--published=false", False),
        ("--published=0", False),
        ("--published=auto", False),
    ],
)
def test_switches_without_an_opposite(settings_of, word, published):
    plain = TransferSettings()
    assert settings_of(word) == (published_transfer("sf", plain) if published else plain)


@pytest.mark.parametrize("word", ["--published=maybe", "--tomek=", "--no-promote=2"])
def test_other_words_are_refused(scatd, workflow, word):
    calls = workflow("transfer")
    done = scatd("transfer", "--drug", "D", word)
    assert done.exit_code == 2
    assert "is neither true nor false" in done.stderr
    assert calls == []


def test_arguments_after_the_dashes(scatd, workflow):
    calls = workflow("predict")
    for words in (["--", "auto"], ["--", "-x.h5ad"], ["auto"], ["-o", "auto", "x.h5ad"]):
        assert scatd("predict", "--drug", "D", *words).exit_code == 0
    asked = [(call["request"].input, call["request"].output) for call in calls]
    default = Path("scored.h5ad")
    assert asked == [
        (None, default),
        (Path("-x.h5ad"), default),
        (Path("auto"), default),  # a file of this name, typed by hand
        (Path("x.h5ad"), default),
    ]


def test_a_required_option_cannot_be_auto(scatd):
    done = scatd("transfer", "--drug", "auto")
    assert done.exit_code == 2
    assert "Missing option '--drug'" in done.stderr


def test_published_then_file_then_options(settings_of, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 9\nlearning_rate: 1e-4\n")
    assert settings_of("--published", "--settings", file, "--epochs", "7") == replace(
        published_transfer("sf", TransferSettings()), epochs=7, learning_rate=1e-4
    )


def test_settings_of_a_family(scatd, workflow, tmp_path):
    calls = workflow("pretrain")
    file = tmp_path / "settings.yaml"
    file.write_text("encoder_hidden: [20, 10]\n")
    words = ("--family", "gf", "--seed", "3", "--input", "cells.npy")
    for more in ((), ("--published",), ("--settings", file)):
        assert scatd("pretrain", *words, *more).exit_code == 0
    assert [call["request"].settings for call in calls] == [
        replace(default_pretrain("gf"), seed=3),
        replace(PUBLISHED_PRETRAIN["gf"], seed=3),
        replace(default_pretrain("gf"), seed=3, encoder_hidden=(20, 10)),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch: 9", "unknown key 'epoch'. Expected epochs"),
        ("epochs: many", "'many' is a str. Expected a int"),
        ("folds: 1", "folds is 1. Expected at least 2"),
        ("- 1", "holds a list"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_bad_settings_files_are_named(scatd, workflow, tmp_path, text, said):
    calls = workflow("transfer")
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    done = scatd("transfer", "--drug", "D", "--source", "bulk.npy", "--settings", file)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {file}")
    assert said in done.stderr
    assert calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--foldz", "3"), "No such option '--foldz'. Did you mean '--folds'?"),
        (("--folds", "x"), "Invalid value for '--folds': 'x' is not a valid integer."),
        (
            ("--alignment", "adian"),
            "'adian' is not one of 'adain', 'bi-adain', 'coral', 'mmd', 'none'.",
        ),
        (("--folds", "1"), "folds is 1. Expected at least 2."),
        (("--folds",), "Option '--folds' requires an argument."),
        (("rest",), "Got unexpected extra argument (rest)"),
    ],
)
def test_bad_words_are_one_line(scatd, workflow, words, said):
    calls = workflow("transfer")
    done = scatd("transfer", "--drug", "D", *words)
    assert done.exit_code == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert calls == []


def test_unknown_commands_are_one_line(scatd):
    for words, said in (
        (["trasfer"], "Error: No such command 'trasfer'. Did you mean 'transfer'?"),
        (["registry", "shw"], "Error: No such command 'shw'. Did you mean 'show'?"),
    ):
        done = scatd(*words)
        assert done.exit_code == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith(said)
