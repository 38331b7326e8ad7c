"""The script that MLflow stores with every backbone (models from code): no pickle anywhere."""

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np  # MLflow reads the annotation of predict, and warns where there is none
from mlflow.pyfunc import PythonModel, PythonModelContext


class Backbone(PythonModel):
    """The posterior mean of every row of a feature matrix."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        from scatd import artifact
        from scatd.cards import checksums

        folder = Path(context.artifacts["model"])
        checksums.require_same(folder, (context.model_config or {}).get("sha256"))
        self._vae = artifact.read(folder).backbone()

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Encode features (n_obs, n_features), float32, to a latent (n_obs, n_latent)."""
        import torch

        with torch.inference_mode():
            mu, _ = self._vae.encode(torch.from_numpy(np.asarray(model_input, dtype=np.float32)))
        return mu.numpy()


mlflow.models.set_model(Backbone())
