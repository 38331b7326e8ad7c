"""Use case: every drug's model on one cohort, as tables, figures and one page."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scatd import keys, tracking
from scatd.data import results
from scatd.data.files import copy_files, sha256_file
from scatd.evaluation.fractions import fraction_matrix, fraction_table
from scatd.nn.devices import pick_device
from scatd.workflows.screen import report as screen_report
from scatd.workflows.screen.scores import Screened, ScreenRequest, groups_of, score_all

REPORT = "report.html"


@dataclass(frozen=True, eq=False)
class ScreenResult:
    """What a screen came to.

    Parameters
    ----------
    run_id, output
        The run, and the folder with report, tables and figures.
    drugs
        One row a drug, the one with most resistant cells first: see `screen_report.drug_table`.
    left_out
        Why a drug has no scores, by drug key.
    words, cautions
        The finding, and what to mind, in sentences.
    """

    run_id: str
    output: Path
    drugs: pd.DataFrame
    left_out: dict[str, str]
    words: list[str]
    cautions: list[str]


def screen(request: ScreenRequest) -> ScreenResult:
    """Score a cohort for every drug and say which groups hold how many resistant cells.

    Raises
    ------
    InputError
        When there is no model, or no model can read the cohort; nothing is then written.
    """
    output = request.output or Path(f"screen-{request.cohort.name.partition('.')[0]}")
    about = {"command": "screen", "cohort": str(request.cohort.absolute())}
    results.require_own(output, about)
    found = score_all(request, pick_device(request.device))
    groups = groups_of(found.obs, request.group_by)
    by_drug = {
        drug: fraction_table(drug, scores.responses, groups, scores.outside, seed=request.seed)
        for drug, scores in found.drugs.items()
    }
    fractions = pd.concat(by_drug.values(), ignore_index=True)
    tables = {
        "fractions": fractions,
        "matrix": fraction_matrix(by_drug).reset_index(),
        "drugs": screen_report.drug_table(found, fractions),
    }
    words = screen_report.summary(found, tables, request)
    cautions = screen_report.cautions(found, tables, request)
    with tracking.parent_run(
        "screen",
        name=f"screen {request.cohort.name}",
        tags={
            keys.TAG_LEVEL: keys.LEVEL_SCREEN,
            keys.TAG_SIMULATED: str(found.simulated).lower(),
        },
        settings=_settings(request, found),
    ) as run:
        _log_numbers(run, request, found, tables["drugs"])
        run.describe("\n\n".join([*words, *cautions]))
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, table in tables.items():
                table.to_csv(folder / f"{name}.csv", index=False)
            cells_table(found, request.group_by).to_parquet(folder / "cells.parquet")
            pictures = screen_report.draw(found, tables, request, folder / "figures")
            screen_report.write_page(
                folder / REPORT, found, tables, pictures, (words, cautions), request
            )
            run.log_files(folder, "")
            with results.made_anew(output, about):
                copy_files(folder, output)
    return ScreenResult(run.run_id, output, tables["drugs"], found.left_out, words, cautions)


def cells_table(found: Screened, group_by: str | None) -> pd.DataFrame:
    """One row a cell: barcode, its group, and P(resistant), response and `ood` of every drug."""
    columns: dict[str, object] = {"barcode": found.ids}
    if group_by is not None:
        columns[group_by] = groups_of(found.obs, group_by)
    for drug, scores in found.drugs.items():
        columns[keys.prob_column(drug)] = scores.prob
        columns[keys.response_column(drug)] = pd.Categorical(
            pd.Series(scores.responses).replace("", None)
        )
        if scores.outside is not None:
            columns[keys.ood_column(drug)] = scores.outside
    return pd.DataFrame(columns)


def _settings(request: ScreenRequest, found: Screened) -> dict[str, object]:
    return {
        "drugs": ",".join(found.drugs),
        "group_by": request.group_by,
        "stage": request.stage,
        "seed": request.seed,
        "models": ",".join(f"{one.ref.name}/{one.ref.version}" for one in found.drugs.values()),
    }


def _log_numbers(
    run: tracking.Run, request: ScreenRequest, found: Screened, drugs: pd.DataFrame
) -> None:
    run.log_dataset(
        request.cohort.stem,
        str(request.cohort),
        digest=sha256_file(request.cohort) if request.cohort.is_file() else "",
        n_rows=len(found.ids),
        n_features=len(found.drugs),
        context="screen",
    )
    known = drugs.dropna(subset="fraction_resistant")
    run.log_metrics(
        {
            f"resistant_fraction.{drug}": float(fraction)
            for drug, fraction in zip(known["drug"], known["fraction_resistant"], strict=True)
        }
    )
