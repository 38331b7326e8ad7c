"""Use case: find the features that drive a model's scores, and test the list."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from scatd import keys, tracking
from scatd.data.demo_files import given_or_demo
from scatd.data.given import CohortInMemory, path_of
from scatd.nn.devices import pick_device
from scatd.plots.explain.bars import importance_bars
from scatd.plots.style import save_figure
from scatd.registry import ModelRef
from scatd.registry.loaded import Loaded, load_model
from scatd.report import Page, Section, ShownInNotebook
from scatd.settings import to_mapping
from scatd.workflows.explain.explanation import Explanation, explain_cells
from scatd.workflows.explain.genes import GeneReader, GeneResult, gene_reader, require_gradients
from scatd.workflows.explain.inputs import Bulk, opened, read_bulk
from scatd.workflows.explain.output import (
    log_explanation,
    require_published,
    require_writable,
    write_output,
    write_published,
)
from scatd.workflows.explain.request import ExplainRequest
from scatd.workflows.explain.store import AttributionStore
from scatd.workflows.explain.subject import Subject

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

_SHOWN = 20


@dataclass(frozen=True, eq=False, repr=False)
class ExplainResult(ShownInNotebook):
    """The result of an explanation.

    Parameters
    ----------
    ref, run_id
        The model version that was explained, and the tracked run.
    importance, controls, convergence, label, genes
        Of `Explanation`; `controls` as a table.
    output
        Files that were written.
    attribution
        What was attributed, and how, in words.
    by_group
        Importance within each group; None without groups.
    adata
        Of `Explanation.annotated`; None unless the request keeps the cells.
    """

    ref: ModelRef
    run_id: str
    importance: pd.DataFrame
    controls: pd.DataFrame
    convergence: pd.DataFrame
    label: str
    output: list[Path]
    attribution: str
    genes: GeneResult | None = None
    by_group: pd.DataFrame | None = None
    adata: AnnData | None = None

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        first = ", ".join(self.importance["feature"].head(5))
        return f"{self.ref.name} version {self.ref.version}, first {first}; controls: {self.label}"

    def page(self, folder: Path) -> Page:
        """The list, its label, its controls and its picture."""
        title = f"{self.ref.drug} ({self.ref.family})"
        first = self.importance.drop(columns="controls").head(_SHOWN)
        picture = save_figure(importance_bars(self.importance, title, _SHOWN), folder, "bars")[0]
        tone: Literal["plain", "caution"] = "plain" if self.label == "passed" else "caution"
        return Page(
            f"Features behind {self.ref.name} version {self.ref.version}",
            [
                Section(f"Controls of this list: {self.label}", tone=tone,
                        tables={"One row a control": self.controls}),
                Section("Features", [f"Attributions, {self.attribution}."],
                        tables={f"The first {len(first)}": first},
                        figures={"Mean size of the attributions.": picture}),
            ],
            footer=keys.CAVEAT,
        )  # fmt: skip


def explain(request: ExplainRequest) -> ExplainResult:
    """Attribute, rank, test the list, track all of it, and write the files that were asked for.

    Raises
    ------
    InputError
        For a model, cohort or output that cannot be used; nothing is then written.
    """
    require_writable(request)
    model = load_model(request.drug, request.family, request.stage, pick_device(request.device))
    if request.gene_cells:
        require_gradients(model.scorer)
    path = given_or_demo(request.input, "target")
    with contextlib.ExitStack() as stack:
        subject = stack.enter_context(opened(request, model.ref, model.scorer, path))
        require_published(subject)
        # All inputs are read and checked before there is a run.
        bulk = read_bulk(subject) if request.controls else None
        reader = stack.enter_context(gene_reader(subject)) if request.gene_cells else None
        run_id, found = stack.enter_context(tracked(subject, bulk, reader))
        written = [] if request.output is None else [write_output(found, request.output)]
        written += write_published(found)
        cells = found.annotated() if request.keeps_cells else None
    return ExplainResult(
        ref=subject.ref,
        run_id=run_id,
        importance=found.importance,
        controls=found.controls_table,
        convergence=found.convergence,
        label=found.label,
        output=written,
        attribution=f"{subject.candidate.in_words}: {subject.attribution}",
        genes=found.genes,
        by_group=found.by_group,
        adata=cells,
    )


@contextlib.contextmanager
def explained(
    request: ExplainRequest, model: Loaded, cells: AnnData
) -> Iterator[tuple[str, Explanation]]:
    """Explain the scores of cells in memory by a model that was found already, as `tracked` does.

    `request.input` names the cells in the run. Nothing is written.

    Raises
    ------
    InputError
        When no cell can be scored, or simulated and real data would mix.
    """
    name = "AnnData" if request.input is None else str(path_of(request.input))
    with (
        opened(request, model.ref, model.scorer, CohortInMemory(cells, name)) as subject,
        tracked(subject) as found,
    ):
        yield found


@contextlib.contextmanager
def tracked(
    subject: Subject, bulk: Bulk | None = None, reader: GeneReader | None = None
) -> Iterator[tuple[str, Explanation]]:
    """Explain opened cells in a run of its own; the run ends with the block.

    Attributions of an unfinished run of the same work are taken over. They are removed after the
    block, unless it fails.

    Yields
    ------
    The run, and the explanation.

    Raises
    ------
    InputError
        As `explain_cells`.
    """
    ref, request = subject.ref, subject.request
    key = tracking.resume_key("explain", subject.identity())
    with tracking.resume_lock(key):
        dead = tracking.unfinished(key)
        with tracking.parent_run(
            "explain",
            name=f"{subject.drug_key} {ref.family} explained",
            tags={
                keys.TAG_DRUG: subject.drug_key,
                keys.TAG_FAMILY: ref.family,
                keys.TAG_LEVEL: keys.LEVEL_EXPLANATION,
                keys.TAG_SIMULATED: str(subject.simulated).lower(),
                keys.TAG_MODEL: f"{ref.name}/{ref.version}",
                keys.TAG_MODEL_RUN: ref.run_id,
            },
            settings={
                **to_mapping(request.settings),
                "stats": request.stats,
                "candidate": subject.candidate.in_words,
                "attribution": subject.attribution,
            },
            resume_key=key,
        ) as run:
            if dead is not None:
                tracking.adopt(dead, run)
            run.log_cohort(subject.cells.given, subject.sha256, "target")
            store = AttributionStore(tracking.work_folder() / f"explain-{key}", subject.classes)
            found = explain_cells(subject, store, bulk, reader)
            log_explanation(run, found)
            yield run.run_id, found
            store.clear()
