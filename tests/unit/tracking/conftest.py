from __future__ import annotations

import pytest

from scatd import tracking


@pytest.fixture
def run(store):
    with tracking.parent_run("transfer", name="docetaxel sf", tags={}, settings={}) as run:
        yield run
