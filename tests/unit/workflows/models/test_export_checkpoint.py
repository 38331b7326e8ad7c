"""Only what the published layout has a place for is exported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scatd import artifact, registry
from scatd.candidates.linear import Linear
from scatd.errors import InputError
from scatd.nn.classifier import HEAD_PREFIXES
from scatd.workflows.models.export_checkpoint import ExportRequest, export_checkpoint


def test_a_model_that_is_no_network_is_refused(copied_registry):
    stored = registry.read(registry.get("scatd-sf-docetaxel", 1))
    encoder = {n: value for n, value in stored.state.items() if not n.startswith(HEAD_PREFIXES)}
    linear = Linear(np.zeros(12), 0.0)
    folder, output = copied_registry / "linear", copied_registry / "out.pth"
    artifact.write(folder, replace(stored, state=encoder, candidate=linear))
    with pytest.raises(InputError, match="this model is: linear") as caught:
        export_checkpoint(ExportRequest(output, str(folder)))
    assert "--model network" in str(caught.value)
    assert not output.exists()
    export_checkpoint(ExportRequest(output, "scatd-sf-docetaxel/1"))
    assert output.exists()
