"""The script that MLflow stores with every model of drugs never seen: no pickle anywhere.

Loading it needs what a response model needs. A prediction reads SMILES, and needs RDKit, too.
"""

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np  # MLflow reads the annotation of predict, and warns where there is none
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext


class AnyDrugModel(PythonModel):
    """Relative response of every row of a feature matrix to a drug that is given by structure."""

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
        self._stored = artifact.read(folder)

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
            As for a response model.
        params
            `smiles`, the structure of the drug.
        """
        import pandas as pd

        from scatd.cards import rows
        from scatd.errors import ScatdError
        from scatd.scoring_by_structure import asked

        try:
            X = rows.rows_of(model_input, self._stored.card())
            drug = asked(self._stored, (params or {}).get("smiles", ""), "params: smiles")
            found = drug.relative_response(X)
        except ScatdError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return pd.DataFrame({"relative_response": found}, index=rows.index_of(model_input))


mlflow.models.set_model(AnyDrugModel())
