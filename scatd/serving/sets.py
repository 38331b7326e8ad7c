"""Sets of drugs of a result: those that leave the fewest cells of the file, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scatd.evaluation import combinations
from scatd.evaluation.combinations import Cells
from scatd.workflows.predict.request import PredictedCells
from scatd.workflows.screen.combining import SIZES, in_sentences

TO_MIND = (
    "A cell is counted as left when every drug of the set leaves it. The drugs are taken to act "
    "independently of each other, and the probabilities of the models are taken as they are. "
    "Synergy, antagonism, doses and toxicity are not part of it.",
    "All cells of the file are counted, normal cells too. The intervals show what other cells "
    "would change, but not how wrong a model is. Many sets are compared, and the best of them "
    "looks better than it is. The report of a screen has intervals over patients and models, and "
    "the clones.",
)


def in_words(found: Sequence[PredictedCells]) -> list[str]:
    """The chosen pair and triple, what plain ranking would choose, and what to mind.

    Nothing for one drug, and where no cell has a score of every drug.
    """
    if len(found) < 2:
        return []
    prob = np.column_stack([cells.table["prob_resistant"].to_numpy(float) for cells in found])
    prob = prob[np.isfinite(prob).all(axis=1)]
    if not len(prob):
        return []
    cells = Cells(tuple(one.ref.drug for one in found), prob)
    table = combinations.table(cells)
    said = [sentence for size in SIZES for sentence in in_sentences(cells, table, size)]
    return [*said, *TO_MIND]
