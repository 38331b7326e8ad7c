"""Search spaces: the published ones, picking from them, and spaces that are refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from scatd.errors import InputError
from scatd.keys import FAMILIES
from scatd.training.settings import PUBLISHED_PRETRAIN, default_pretrain
from scatd.training.space import read_space
from tests.spaces import SPACE

BASE = default_pretrain("sf")


class Picked:
    """Picks what it is told to, by name, and notes what it was offered."""

    def __init__(self, **values):
        self.values, self.offered = values, {}

    def suggest_float(self, name, low, high, *, step, log):
        self.offered[name] = ["float" + " log" * log, low, high]
        return self.values[name]

    def suggest_int(self, name, low, high, *, step, log):
        self.offered[name] = ["int" + f" step {step}" * (step > 1), low, high]
        return self.values[name]

    def suggest_categorical(self, name, choices):
        self.offered[name] = choices
        return self.values[name]


@pytest.mark.parametrize("family", ["sf", "gf"])
def test_the_packaged_spaces_are_the_published_ones(family, reference_tables):
    text = (reference_tables / "scatd" / "search_spaces.json").read_text()
    published = json.loads(text)[family]["space"]
    best = PUBLISHED_PRETRAIN[family]
    first, *encoder, last = best.encoder_hidden
    *decoder, mirrored = best.decoder_hidden
    assert first == mirrored
    between = {f"encoder_width_{i}": width for i, width in enumerate(encoder, start=1)}
    between |= {f"decoder_width_{i}": width for i, width in enumerate(decoder, start=1)}
    plain = {name: getattr(best, name) for name in ("epochs", "learning_rate", "weight_decay")}
    picker = Picked(
        **plain,
        **between,
        n_latent=best.n_latent,
        first_width=first,
        last_width=last,
        blocks=len(encoder) + 1,
    )
    assert read_space(None, family).pick(picker, best) == best
    ours = {
        "learning_rate": "learning_rate",
        "weight_decay": "weight_decay",
        "num_epochs": "epochs",
        "z_dim": "n_latent",
        "hidden_dim_layer0": "first_width",
        "hidden_dim_layer_out_Z": "last_width",
        "num_blocks": "blocks",
        "layer_encoder_<i>_dim, i=1..num_blocks-1": "encoder_width_1",
        "layer_decoder_<i>_dim, i=1..num_blocks-1": "decoder_width_1",
    }
    for theirs, (kind, low, high) in published.items():
        assert picker.offered.pop(ours[theirs]) == [kind, low, high]
    assert set(picker.offered) <= set(between)


def test_the_space_of_dist_holds_the_published_best():
    best = PUBLISHED_PRETRAIN["dist"]
    first, last = best.encoder_hidden
    plain = {name: getattr(best, name) for name in ("epochs", "learning_rate", "weight_decay")}
    picker = Picked(**plain, first_width=first, last_width=last, blocks=1)
    assert read_space(None, "dist").pick(picker, best) == best
    for name, (_, low, high) in picker.offered.items():
        assert low <= picker.values[name] <= high
    assert "n_latent" not in picker.offered


def test_a_decoder_without_widths_mirrors_the_encoder():
    picker = Picked(learning_rate=1e-3, weight_decay=0.1, n_latent=5, blocks=3, first_width=20,
                    encoder_width_1=6, encoder_width_2=7)  # fmt: skip
    picked = SPACE.pick(picker, BASE)
    assert picked.encoder_hidden == (20, 6, 7, 4)
    assert picked.decoder_hidden == (7, 6, 20)
    assert picked == replace(
        BASE, learning_rate=1e-3, weight_decay=0.1, n_latent=5,
        encoder_hidden=(20, 6, 7, 4), decoder_hidden=(7, 6, 20),
    )  # fmt: skip


def test_values_and_lists_need_no_range(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("learning_rate: 1e-3\nschedule: [constant, cosine]\nbatch_size: [32, 64]\n")
    picker = Picked(schedule="constant", batch_size=64)
    picked = read_space(path, "sf").fixed(epochs=3).pick(picker, BASE)
    wanted = replace(BASE, learning_rate=1e-3, schedule="constant", batch_size=64, epochs=3)
    assert picked == wanted
    assert picker.offered == {"schedule": ("constant", "cosine"), "batch_size": (32, 64)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 1e-3", "learning_rat cannot be searched. Expected one of epochs,"),
        ("encoder_hidden: [3]", "searched as blocks, first_width"),
        ("epochs: {low: 9, high: 3}", "epochs: the range from 9 to 3"),
        ("epochs: {low: 1, hihg: 3}", "unknown key 'hihg'"),
        ("epochs: {low: 1.5, high: 3}", "epochs is a count"),
        ("epochs: {low: 0, high: 3}", "epochs is 0. Expected more than 0"),
        ("epochs: many", "'many' is a str"),
        ("learning_rate: {low: 0, high: 1, log: true}", "a log scale has neither 0"),
        ("n_latent: {low: 1, high: 9, step: 5}", "steps of 5 do not lead from 1 to 9"),
        ("schedule: {low: 1, high: 2}", "schedule has no low and high"),
        ("schedule: [constant, linear]", "'linear' is no choice"),
        ("batch_size: []", "the list is empty"),
        ("rec_beta: [1, 1000]", "rec_beta: trials with different weights"),
        ("first_width: 30", "Expected also blocks, last_width"),
        ("{blocks: 2, first_width: 9, last_width: 3}", "Expected also encoder_width"),
    ],
)
def test_a_bad_space_is_told_in_a_line(text, message, tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read_space(path, "sf")
    assert str(error.value).startswith(str(path))


def test_all_faults_of_a_space_are_told_at_once(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("epochs: 0\nseed: 3\n")
    with pytest.raises(InputError, match="2 faults"):
        read_space(path, "sf")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_space_reads_back_as_it_was_written(family, tmp_path):
    space = read_space(None, family)
    (tmp_path / "space.yaml").write_text(json.dumps(space.to_mapping()).replace(" null", " ~"))
    assert read_space(tmp_path / "space.yaml", family).to_mapping() == space.to_mapping()
