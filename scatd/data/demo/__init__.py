"""Demo cohorts: simulated raw counts whose mechanism is known.

**Biology** (`world`; the same for every seed). Genes have log-normal means. Programmes move them:
one resistance programme a drug (60 causal genes, up or down), state programmes, and cell types.
Bulk and single cells share all of these; the foreign cohort has cell types and programmes of its
own, and holds the home programmes at unusual levels.

**Response**. Activity of the drug's resistance programme plus noise, cut at a quantile. The
classes are nearly even for DOCETAXEL, mostly resistant for GEFITINIB, and rarely resistant for
CISPLATIN. The programmes vary in the unlabelled reference too.

**Measurement** (`counts`). Negative binomial counts. Single cells have few counts, lose genes,
and carry batch or patient effects. A bulk sample is the sum of its cell types, has many counts,
and shows each gene's change on a scale and with an offset of its own, drawn with the seed.

**Features** (`features`). A fixed saturating map of log-normalised expression stands in for the
foundation models.

**Shift** (`cohorts.Shift`). Depth, dropout, patient effects and composition of the target can each
be turned up alone; the other cohorts, and what makes a cell resist, stay as they are.

**Why no adaptation loses**. Cell types and some states vary far more among cells than among bulk
samples. A classifier trained on raw bulk features leans on features that are quiet there and
loud in cells. Giving each bulk feature the mean and s.d. that it has in the reference removes
most of this; a mere offset would not have harmed a linear model at all.
"""

from scatd.data.demo.cohorts import STRONG_SHIFTS, Shift
from scatd.data.demo.files import make_folder, write_demo
from scatd.data.demo.simulate import COHORTS, DemoSettings, simulate

__all__ = [
    "COHORTS",
    "STRONG_SHIFTS",
    "DemoSettings",
    "Shift",
    "make_folder",
    "simulate",
    "write_demo",
]
