"""The files of the demo are made once, and never taken for another demo."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import pytest

from scatd.data.demo import DemoSettings, quick_settings
from scatd.data.demo_files import DEMO_PARTS, demo_file
from scatd.errors import InputError

SMALL = DemoSettings(3, n_genes=600, n_source=40, n_reference=50, n_target=30, n_foreign=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo_file("source", SMALL, folder)
    return folder


@pytest.mark.parametrize("part", DEMO_PARTS)
def test_each_part_has_the_size_that_was_asked_for(folder, part):
    sizes = {"source": 40, "reference": 50, "target": 30, "target_raw": 30, "foreign": 20}
    assert ad.read_h5ad(demo_file(part, SMALL, folder)).n_obs == sizes[part]


def test_a_demo_is_not_made_again(folder):
    before = demo_file("target", SMALL, folder).stat().st_mtime_ns
    assert demo_file("target", SMALL, folder).stat().st_mtime_ns == before
    assert demo_file("target", folder=folder).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("other", "part", "message"),
    [
        ({"seed": 4}, "source", "holds the demo of seed 3. Expected seed 4."),
        ({"n_source": 41}, "source", "of 40 samples (source). Expected 41 samples (source)."),
        ({"n_target": 31}, "target_raw", "of 30 cells (target_raw). Expected 31 cells"),
    ],
)
def test_a_demo_of_another_seed_or_size_is_refused(folder, other, part, message):
    with pytest.raises(InputError) as refused:
        demo_file(part, replace(SMALL, **other), folder)
    assert message in str(refused.value)
    assert "Choose another --folder, or remove this one." in str(refused.value)


def test_the_smaller_demo_is_smaller_everywhere_and_keeps_the_seed():
    quick, full = quick_settings(5), DemoSettings(5)
    assert quick.seed == full.seed
    assert all(quick.n_obs(part) < full.n_obs(part) for part in DEMO_PARTS)
