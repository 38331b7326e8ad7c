"""The script that MLflow stores with every backbone (models from code): no pickle anywhere."""

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np  # MLflow reads the annotation of predict, and warns where there is none
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext


class Backbone(PythonModel):
    """The posterior mean of every row of a feature matrix."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        config = context.model_config or {}
        try:
            from scatd import artifact
            from scatd.cards import checksums, rows  # noqa: F401  (predict needs it)
        except ImportError as error:
            raise MlflowException(f"{config.get('needs', 'scatd is needed')} ({error})") from None
        folder = Path(context.artifacts["model"])
        checksums.require_same(folder, config.get("sha256"))
        stored = artifact.read(folder)
        self._card, self._vae = stored.card(), stored.backbone()

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Encode features (n_obs, n_features) to a latent (n_obs, n_latent).

        Parameters
        ----------
        context, params
            Not used; MLflow passes them.
        model_input
            As for a response model.
        """
        import torch

        from scatd.cards import rows
        from scatd.errors import ScatdError

        try:
            X = rows.rows_of(model_input, self._card)
        except ScatdError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        with torch.inference_mode():
            mu, _ = self._vae.encode(torch.from_numpy(np.array(X)))
        return mu.numpy()


mlflow.models.set_model(Backbone())
