"""JSON bodies: an object of features becomes a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scatd.serving.refusals import TOO_LARGE, UNUSABLE, Refusal
from scatd.wording import counted

_MAX_JSON = 64_000_000
_JSON_IS = '{"features": [[numbers of one cell], ...], "barcodes": [...], "genes": [...]}'


def table_of_json(upload: Path, target: Path) -> None:
    """Write a JSON object of features as a parquet table, which all readers take.

    Raises
    ------
    Refusal
        413 for more than 64 MB, 422 for JSON that is no table.
    """
    import numpy as np
    import pandas as pd

    if upload.stat().st_size > _MAX_JSON:
        what = f"JSON of more than {_MAX_JSON / 1e6:.0f} MB. Send .npy or .parquet."
        raise Refusal(TOO_LARGE, what)
    try:
        given = json.loads(upload.read_bytes())
        features = np.array(given["features"], dtype=np.float64)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise Refusal(
            UNUSABLE, f"The JSON is no table of features. Expected {_JSON_IS}."
        ) from error
    if features.ndim != 2 or not features.size:
        raise Refusal(UNUSABLE, f"The features are no matrix. Expected {_JSON_IS}.")
    if unknown := sorted(set(given) - {"features", "barcodes", "genes"}):
        raise Refusal(UNUSABLE, f"Unknown key '{unknown[0]}'. Expected {_JSON_IS}.")
    table = pd.DataFrame(features, columns=_names(given, "genes", features.shape[1]))
    if "barcodes" in given:
        table.insert(0, "", _names(given, "barcodes", len(table)))
    table.to_parquet(target, index=False)


def _names(given: dict[str, Any], key: str, n_names: int) -> list[str]:
    names = given.get(key, [str(number) for number in range(n_names)])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Refusal(UNUSABLE, f"'{key}' is no list of names. Expected {_JSON_IS}.")
    if len(names) != n_names:
        raise Refusal(UNUSABLE, f"'{key}' has {counted(len(names), 'name')} for {n_names}.")
    if len(set(names)) < len(names):
        raise Refusal(UNUSABLE, f"'{key}' has a name more than once. Expected each name once.")
    return names
