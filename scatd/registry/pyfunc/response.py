"""The script that MLflow stores with every response model (models from code): no pickle anywhere.

Loading it needs scatd, torch, numpy, pandas and safetensors, and nothing else of what scatd uses.
"""

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np  # MLflow reads the annotation of predict, and warns where there is none
from mlflow.pyfunc import PythonModel, PythonModelContext


class ResponseModel(PythonModel):
    """P(resistant) and the response word of every row of a feature matrix."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        from scatd.cards import checksums
        from scatd.scoring import Scorer

        folder = Path(context.artifacts["model"])
        checksums.require_same(folder, (context.model_config or {}).get("sha256"))
        self._scorer = Scorer(folder)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Score cells.

        Parameters
        ----------
        context
            Not used; MLflow passes it.
        model_input
            Features (n_obs, n_features), float32, an array or a DataFrame.
        params
            `threshold` (None: the stored one) and `mc_samples` (0: the posterior mean).
        """
        import pandas as pd

        scores = self._scorer.score(np.asarray(model_input, dtype=np.float32), **(params or {}))
        return pd.DataFrame({"prob_resistant": scores.prob_resistant, "response": scores.responses})


mlflow.models.set_model(ResponseModel())
