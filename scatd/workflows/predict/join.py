"""Put the parts of a prediction together, by the writer of a whole one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.feature_files import obs_of
from scatd.data.opened import OpenedInput, open_input
from scatd.data.text.spreadsheets import plain_table
from scatd.errors import InputError
from scatd.evaluation.domain import shift_of_counts
from scatd.parts.note import PartNote
from scatd.registry import ModelRef
from scatd.workflows.predict.chunks import COLUMNS
from scatd.workflows.predict.output import column_names, writing
from scatd.workflows.predict.totals import Totals

_ROWS = 1 << 16
Scored = tuple[pd.DataFrame, NDArray[np.float32] | None]
"""A table of scores, and posterior means."""


def join_scores(
    files: Sequence[Path], notes: Sequence[PartNote], cohort: OpenedInput | None, output: Path
) -> int:
    """Write the scores of all parts to one file.

    Parameters
    ----------
    files, notes
        In the order of their rows.
    cohort
        The cohort that was scored; only `.h5ad` and `.zarr` need it.
    output
        Ends in one of `keys.SCORE_SUFFIXES`.

    Returns
    -------
    The number of cells.

    Raises
    ------
    InputError
        When the output needs posterior means that the parts do not hold.
    """
    first = notes[0].more
    ref, not_assessed = ModelRef(**first["ref"]), first["not_assessed"]
    is_annotated = output.suffix in keys.ANNOTATED_SUFFIXES
    lacking = [path for path in files if path.suffix not in keys.ANNOTATED_SUFFIXES]
    if is_annotated and lacking:
        what = f"{lacking[0]} holds scores only, and {output.suffix} holds posterior means too"
        remedy = "Make the parts as .h5ad or .zarr, or join them into .csv or .parquet."
        raise InputError(what, where=f"--output {output}", remedy=remedy)
    ids = _ids(files, ref) if is_annotated and cohort is not None and not cohort.is_cohort else None
    with writing(output, cohort, ref, ids, not_assessed=not_assessed) as writer:
        for path in files:
            for table, latent in _read(path, ref):
                writer.add(table, latent if is_annotated else None)
        writer.finish(_about(notes))
    return notes[0].n_obs


def _about(notes: Sequence[PartNote]) -> dict[str, Any]:
    """The provenance of all scores, with the shift of the whole cohort."""
    totals = Totals()
    for note in notes:
        totals.add(Totals.from_mapping(note.more["totals"]))
    about = {**notes[0].more["about"]}
    domains = [note.more["about"].get("domain") for note in notes]
    role = next((domain["role"] for domain in domains if domain and "role" in domain), None)
    if role is not None:
        about["domain"] = asdict(shift_of_counts(totals.n_by_p, role))
    return about


def _ids(files: Sequence[Path], ref: ModelRef) -> NDArray[np.str_]:
    return np.concatenate([table["barcode"] for path in files for table, _ in _read(path, ref)])


def _read(path: Path, ref: ModelRef) -> Iterator[Scored]:
    """The scores of a part, some rows at a time."""
    if path.suffix in keys.ANNOTATED_SUFFIXES:
        yield from _of_cohort(path, ref)
    elif path.suffix == ".parquet":
        import pyarrow.parquet as pq

        with contextlib.closing(pq.ParquetFile(path)) as file:
            for batch in file.iter_batches(_ROWS):
                yield _typed(batch.to_pandas()), None
    elif path.suffix == ".csv":
        with pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=_ROWS) as chunks:
            for words in chunks:
                yield _of_words(plain_table(words)), None
    else:
        yield _typed(pd.DataFrame(_cells(path))), None


def _cells(path: Path) -> list[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in file]
        found: list[Mapping[str, Any]] = json.load(file)["cells"]
        return found


def _of_words(words: pd.DataFrame) -> pd.DataFrame:
    """A table of text; numbers were written so that they are exact."""
    outside = words["ood"]
    is_said = outside.isin(["True", "False"]).to_numpy()
    said = pd.arrays.BooleanArray((outside == "True").to_numpy(), ~is_said)
    table = words.assign(ood=said)
    for name in words.columns.difference(["barcode", "response", "ood", "reason"]):
        table[name] = words[name].replace("", "nan").to_numpy(dtype=np.float64)
    return table


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    # Instead of true or false there may be nothing, or the reason.
    known = [value if isinstance(value, bool | np.bool_) else pd.NA for value in table["ood"]]
    table = table.assign(ood=pd.array(known, dtype="boolean"))
    for name in table.columns.difference(["barcode", "response", "ood", "reason"]):
        table[name] = table[name].astype(np.float64)
    return table


def _of_cohort(path: Path, ref: ModelRef) -> Iterator[Scored]:
    """The scores of a part that is a cohort itself."""
    slot = keys.latent_key(ref.family)
    with open_input(path) as opened:
        obs = obs_of(opened)
        n_obs = len(obs)
        found = {"barcode": obs.index.to_numpy(dtype=str)}
        for name, column in column_names(ref.drug).items():
            if column in obs:
                found[name] = obs[column].array
        table = pd.DataFrame(found)
        table["response"] = table["response"].astype(object).where(table["response"].notna(), "")
        table["reason"] = table["reason"].astype(object)
        if "ood" not in table:
            table["ood"] = pd.array([pd.NA] * n_obs, dtype="boolean")
        table = table[[name for name in COLUMNS if name in table]]  # obs has another order
        latent = opened.embeddings[slot]
        for start in range(0, n_obs, _ROWS):
            rows = slice(start, start + _ROWS)
            yield table[rows], np.asarray(latent[rows], dtype=np.float32)
