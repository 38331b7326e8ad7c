"""The script that MLflow stores with every response model (models from code): no pickle anywhere.

Loading it needs scatd, torch, numpy, pandas and safetensors, and nothing else of what scatd uses.
"""

from pathlib import Path

import mlflow


class ResponseModel(mlflow.pyfunc.PythonModel):
    """P(resistant) and the response word of every row of a feature matrix."""

    def load_context(self, context):  # noqa: D102
        from scatd.scoring import Scorer

        self._scorer = Scorer(Path(context.artifacts["model"]))

    # No annotations: MLflow would read them as the schema, which the signature states already.
    def predict(self, context, model_input, params=None):  # noqa: ARG002
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
        import numpy as np
        import pandas as pd

        scores = self._scorer.score(np.asarray(model_input, dtype=np.float32), **(params or {}))
        return pd.DataFrame({"prob_resistant": scores.prob_resistant, "response": scores.responses})


mlflow.models.set_model(ResponseModel())
