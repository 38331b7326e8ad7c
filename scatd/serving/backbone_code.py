"""The script that MLflow stores with every backbone (models from code): no pickle anywhere."""

from pathlib import Path

import mlflow


class Backbone(mlflow.pyfunc.PythonModel):
    """The posterior mean of every row of a feature matrix."""

    def load_context(self, context):  # noqa: D102
        from scatd import artifact

        self._vae = artifact.read(Path(context.artifacts["model"])).backbone()

    def predict(self, context, model_input, params=None):  # noqa: ARG002
        """Encode features (n_obs, n_features), float32, to a latent (n_obs, n_latent)."""
        import numpy as np
        import torch

        with torch.inference_mode():
            mu, _ = self._vae.encode(torch.from_numpy(np.asarray(model_input, dtype=np.float32)))
        return mu.numpy()


mlflow.models.set_model(Backbone())
