"""The files of the demo are made once, and never taken for another demo."""

from __future__ import annotations

import anndata as ad
import pytest

from scatd.data.demo_files import DEMO_PARTS, demo_file
from scatd.errors import InputError

SIZES = {"source": 240, "reference": 600, "target": 200, "target_raw": 200, "foreign": 100}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo_file("source", seed=3, quick=True, folder=folder)
    return folder


@pytest.mark.parametrize("part", DEMO_PARTS)
def test_the_smaller_demo_is_made_once_with_its_sizes(folder, part):
    path = demo_file(part, seed=3, quick=True, folder=folder)
    before = path.stat().st_mtime_ns
    assert ad.read_h5ad(path, backed="r").n_obs == SIZES[part]
    assert demo_file(part, folder=folder) == path  # whatever the folder holds
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"seed": 4, "quick": True}, "holds the demo of seed 3. Expected seed 4."),
        ({"seed": 3}, "of 240 samples. Expected 400 samples, as the full demo has."),
    ],
)
def test_a_demo_of_another_seed_or_size_is_refused(folder, wanted, message):
    with pytest.raises(InputError) as refused:
        demo_file("target", **wanted, folder=folder)
    assert message in str(refused.value)
    assert "Choose another --folder, or remove this one." in str(refused.value)
