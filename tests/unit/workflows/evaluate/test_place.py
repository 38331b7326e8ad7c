"""Where an evaluation is written."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from scatd.workflows.evaluate.output import place_of

REF = SimpleNamespace(drug="docetaxel", family="sf", version=2, name="scatd-sf-docetaxel")


@pytest.mark.parametrize(
    ("cells", "output", "folder"),
    [
        ("half.h5ad", None, "evaluation-docetaxel-sf-v2-half"),
        ("data/other_half.h5ad", None, "evaluation-docetaxel-sf-v2-other_half"),
        ("half.h5ad", Path("mine"), "mine"),
    ],
)
def test_cohorts_have_folders_of_their_own(cells, output, folder):
    request = SimpleNamespace(writes=True, output=output, target=Path(cells))
    place = place_of(request, REF)
    assert place.folder == Path(folder)
    assert place.about["cells"] == str(Path(cells).absolute())
