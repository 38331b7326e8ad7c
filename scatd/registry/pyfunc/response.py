"""The script that MLflow stores with every response model (models from code): no pickle anywhere.

Loading it needs scatd, torch, numpy, pandas and safetensors, and nothing else of what scatd uses.
"""

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np  # MLflow reads the annotation of predict, and warns where there is none
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext


class ResponseModel(PythonModel):
    """P(resistant) and the response word of every row of a feature matrix."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model folder."""
        config = context.model_config or {}
        try:
            from scatd.cards import checksums, rows  # noqa: F401  (predict needs it)
            from scatd.scoring import Scorer
        except ImportError as error:
            raise MlflowException(f"{config.get('needs', 'scatd is needed')} ({error})") from None
        folder = Path(context.artifacts["model"])
        checksums.require_same(folder, config.get("sha256"))
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
            Features (n_obs, n_features): an array of real numbers in the order of the model, or a
            DataFrame with named columns in any order.
        params
            `threshold` (None: the stored one) and `mc_samples` (0: the posterior mean).
        """
        import pandas as pd

        from scatd.cards import rows
        from scatd.errors import ScatdError

        try:
            X = rows.rows_of(model_input, self._scorer.card)
            scores = self._scorer.score(X, **rows.params_of(params))
        except ScatdError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        found = {"prob_resistant": scores.prob_resistant, "response": scores.responses}
        return pd.DataFrame(found, index=rows.index_of(model_input))


mlflow.models.set_model(ResponseModel())
